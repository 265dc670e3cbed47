/*
 * Rebase: what was unpacked apart is put on top of its parent, where a driver's layers hold their
 * parents' files.  The row stays as it is: the parent is told once more at the commit, and a crash
 * before it leaves a snapshot that nothing names.
 */
#include "actors/base/job.h"
#include "actors/snapshots/store.h"

struct rebase {
    const struct driver *driver;
    struct layer_new layer;
};

static int rebase_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct rebase *rebase = in;

    (void)job, (void)out;
    return rebase->driver->calls->rebase(rebase->driver->state, &rebase->layer, err);
}

static int find_parent(struct snapshots *snapshots, struct request *request, struct rebase *rebase,
                       struct error *err)
{
    const struct snapshots_rebase_request *in = request_body(request);
    struct row row;

    if (in->parent == NULL)
        return 0;
    if (snapshot_find(snapshots->db, request_namespace(request), rebase->driver->name, in->parent,
                      &row, request_arena(request), err) < 0)
        return error_wrap(err, "parent");
    if (!streq(row.info.kind, "committed"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "parent %.200s: is %s, not committed",
                         in->parent, row.info.kind);
    rebase->layer.parent = row.number;
    return 0;
}

int on_snapshot_rebase(void *self, struct request *request, struct error *err)
{
    static const struct map no_labels;
    struct snapshots *snapshots = self;
    const struct snapshots_rebase_request *in = request_body(request);
    struct rebase *rebase = arena_alloc(request_arena(request), sizeof(*rebase));
    struct row row;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "snapshots.rebase: is said inside the daemon only");
    rebase->driver = driver_wanted(snapshots, request, in->driver, err);
    if (rebase->driver == NULL ||
        snapshot_find(snapshots->db, request_namespace(request), rebase->driver->name, in->key,
                      &row, request_arena(request), err) < 0)
        return -1;
    if (!rebase->driver->calls->whole || !row.apart || !streq(row.info.kind, "active"))
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "snapshot %.200s: was not unpacked apart for a driver of whole trees",
                         in->key);
    rebase->layer = (struct layer_new){ .number = row.number,
                                        .apart = true,
                                        .namespace = request_namespace(request),
                                        .key = in->key,
                                        .target = in->name,
                                        .labels = &no_labels };
    if (find_parent(snapshots, request, rebase, err) < 0)
        return -1;
    return request_run_on(request, rebase_job, rebase, err);
}
