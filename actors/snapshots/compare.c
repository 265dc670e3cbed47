/* compare — see compare.h. */
#include "actors/snapshots/compare.h"

#include <stdio.h>
#include <string.h>

static int view_make(struct compared *compared, struct looked_at *looked_at, const char *key,
                     struct error *err)
{
    struct snapshots_prepare_request want = { .driver = compared->driver, .parent = key };
    struct snapshots_mounts_reply place;
    char id[33], view[64];

    job_new_id(id);
    snprintf(view, sizeof(view), "compared-%s", id);
    want.key = view;
    job_relax(compared->job, true); /* it does not outlive the job anyway */
    if (call(compared->job, &op_snapshots_view, &want, &place, err) == 0) {
        memcpy(looked_at->view, view, sizeof(view));
        looked_at->mounts = place.mounts;
    }
    job_relax(compared->job, false);
    return looked_at->view[0] != '\0' ? 0 : -1;
}

static int look(struct compared *compared, struct looked_at *looked_at,
                const struct snapshot_info *info, struct error *err)
{
    const struct snapshots_key_request want = { .key = info->key, .driver = compared->driver };
    struct snapshots_mounts_reply place;

    if (strcmp(info->kind, "committed") == 0)
        return view_make(compared, looked_at, info->key, err);
    if (call(compared->job, &op_snapshots_mounts, &want, &place, err) < 0)
        return -1;
    looked_at->mounts = place.mounts;
    return 0;
}

static int look_both(struct compared *compared, const char *key, const char *parent,
                     struct error *err)
{
    struct snapshots_key_request want = { .key = key, .driver = compared->driver };
    struct snapshot_info after, before;

    if (call(compared->job, &op_snapshots_stat, &want, &after, err) < 0)
        return -1;
    want.key = parent != NULL ? parent : after.parent;
    if (want.key != NULL && (call(compared->job, &op_snapshots_stat, &want, &before, err) < 0 ||
                             look(compared, &compared->before, &before, err) < 0))
        return -1;
    return look(compared, &compared->after, &after, err);
}

int compared_open(struct compared *compared, struct job *job, const char *driver, const char *key,
                  const char *parent, struct error *err)
{
    *compared = (struct compared){ .job = job, .driver = driver };
    lease_have(&compared->lease, job);
    return look_both(compared, key, parent, err);
}

static void view_drop(struct compared *compared, struct looked_at *looked_at)
{
    const struct snapshots_key_request want = { .key = looked_at->view,
                                                .driver = compared->driver };

    if (looked_at->view[0] == '\0')
        return;
    job_relax(compared->job, true);
    call_finally(compared->job, &op_snapshots_remove, &want);
    job_relax(compared->job, false);
}

void compared_drop(struct compared *compared)
{
    if (compared->job == NULL)
        return;
    view_drop(compared, &compared->after);
    view_drop(compared, &compared->before);
    lease_drop(&compared->lease);
    compared->job = NULL;
}
