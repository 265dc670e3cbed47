#include "actors/base/lease.h"

#include <stdio.h>

void lease_take(struct held_lease *lease, struct job *job)
{
    char digits[33];

    job_new_id(digits);
    snprintf(lease->id, sizeof(lease->id), JOB_LEASE "%s", digits);
    lease->job = job;
    job_hold(job, lease->id);
}

void lease_have(struct held_lease *lease, struct job *job)
{
    if (job_lease(job) == NULL)
        lease_take(lease, job);
}

void lease_settled(struct held_lease *lease)
{
    if (lease->job != NULL)
        job_hold(lease->job, NULL);
    lease->job = NULL;
}

void lease_drop(struct held_lease *lease)
{
    struct leases_remove_request want = { .id = lease->id };

    if (lease->job == NULL)
        return;
    job_relax(lease->job, true); /* it does not outlive the daemon anyway */
    call_finally(lease->job, &op_leases_remove, &want);
    job_relax(lease->job, false);
    lease->job = NULL;
}
