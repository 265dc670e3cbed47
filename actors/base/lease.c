#include "actors/base/lease.h"

#include <stdio.h>

#define LEASE_MS (24ull * 60 * 60 * 1000) /* should all else fail */

int lease_take(struct held_lease *lease, struct job *job, struct error *err)
{
    struct leases_create_request want = { .id = lease->id, SET(ttl_ms, LEASE_MS) };
    char digits[33];
    int result;

    job_new_id(digits);
    snprintf(lease->id, sizeof(lease->id), JOB_LEASE "%s", digits);
    lease->job = NULL;
    job_relax(job, true); /* it does not outlive the daemon anyway */
    result = call(job, &op_leases_create, &want, NULL, err);
    job_relax(job, false);
    if (result < 0)
        return -1;
    lease->job = job;
    job_hold(job, lease->id);
    return 0;
}

void lease_drop(struct held_lease *lease)
{
    struct leases_remove_request want = { .id = lease->id };

    if (lease->job == NULL)
        return;
    job_relax(lease->job, true);
    call_finally(lease->job, &op_leases_remove, &want);
    job_relax(lease->job, false);
    lease->job = NULL;
}
