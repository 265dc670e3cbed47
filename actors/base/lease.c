#include "actors/base/lease.h"

#include <stdio.h>

#define LEASE_MS (24ull * 60 * 60 * 1000) /* should all else fail */

int lease_take(struct held_lease *lease, struct job *job, struct error *err)
{
    struct leases_create_request want = { .id = lease->id, SET(ttl_ms, LEASE_MS) };
    char digits[33];

    job_new_id(digits);
    snprintf(lease->id, sizeof(lease->id), JOB_LEASE "%s", digits);
    lease->job = NULL;
    if (call(job, &op_leases_create, &want, NULL, err) < 0)
        return -1;
    lease->job = job;
    job_hold(job, lease->id);
    return 0;
}

void lease_drop(struct held_lease *lease)
{
    struct leases_remove_request want = { .id = lease->id };

    if (lease->job != NULL)
        call_finally(lease->job, &op_leases_remove, &want);
    lease->job = NULL;
}
