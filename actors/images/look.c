/* look — see work.h: a view for a moment, and what becomes of it when a job ends early is the
 * lease's. */
#include <stdio.h>

#include "actors/images/work.h"

int look_take(struct look *look, struct job *job, const char *driver, const char *chain_id,
              struct error *err)
{
    struct snapshots_prepare_request want = { .key = look->key,
                                              .driver = driver,
                                              .parent = chain_id };
    struct snapshots_mounts_reply reply;
    char id[33];

    job_new_id(id);
    snprintf(look->key, sizeof(look->key), "look-%s", id);
    if (call(job, &op_snapshots_view, &want, &reply, err) < 0)
        return -1;
    look->job = job;
    look->driver = driver;
    look->mounts = reply.mounts;
    return 0;
}

void look_drop(struct look *look)
{
    const struct snapshots_key_request gone = { .key = look->key, .driver = look->driver };

    if (look->job != NULL)
        call_finally(look->job, &op_snapshots_remove, &gone);
    look->job = NULL;
}
