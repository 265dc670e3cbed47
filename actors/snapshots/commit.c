/*
 * Commit: an active snapshot becomes one that others stand on.
 *
 * The happy path is on top of the parent -> data on the disk -> measured -> the driver's part ->
 * row.  The layer stays where it is,
 * only its name and kind change, so a crash before the row leaves the active snapshot as
 * it was.
 */
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

struct commit {
    const struct driver *driver;
    const struct snapshots_commit_request *in;
    const char *namespace;
    bool rebases; /* it was unpacked apart, and layers of its driver hold their parents' files */
    uint64_t number, parent;
    uint64_t size, inodes;
};

/* The layer below: as it was prepared, or, for one prepared apart, as is said now. */
static int take_parent(struct write *write, const struct snapshots_commit_request *in,
                       const struct row *row, struct row *parent, struct error *err)
{
    if (in->parent == NULL || (row->info.parent != NULL && streq(row->info.parent, in->parent)))
        return 0;
    if (!row->apart)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "snapshot %.200s: was not prepared apart, its parent stays", in->key);
    if (snapshot_find(write_db(write), write_namespace(write), row->info.driver, in->parent, parent,
                      write_arena(write), err) < 0)
        return error_wrap(err, "parent");
    if (!streq(parent->info.kind, "committed"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "parent %.200s: is %s, not committed",
                         in->parent, parent->info.kind);
    return 0;
}

/* What it was put on top of is what the name means.  Where the row has its parent already (it was settled
   when it was prepared), nothing can have changed. */
static int check_rebased(const struct commit *commit, const struct row *row,
                         const struct row *parent, struct error *err)
{
    bool is_settled = parent->number == 0 && row->info.parent != NULL;

    if (!commit->rebases || is_settled || commit->parent == parent->number)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "parent %.200s: has changed meanwhile",
                     commit->in->parent);
}

static int layer_write(struct write *write, const struct commit *commit, const struct row *parent,
                       struct error *err)
{
    return db_run(write_db(write), err,
                  "UPDATE snapshots_layer SET parent = coalesce(nullif(?, 0), parent), apart = 0,"
                  " size = ?, inodes = ? WHERE id = ?",
                  "uuuu", parent->number, commit->size, commit->inodes, commit->number);
}

/* Other namespaces may use it, if its content is what the daemon has unpacked itself, if all
   below may be used, too, and if no other layer serves for it already. */
static int layer_share(struct write *write, const struct snapshots_commit_request *in,
                       const struct commit *commit, struct error *err)
{
    if (!in->has_synced || !in->synced)
        return 0;
    return db_run(write_db(write), err,
                  "UPDATE snapshots_layer SET chain = ?1 WHERE id = ?2"
                  " AND (parent IS NULL OR EXISTS (SELECT 1 FROM snapshots_layer p"
                  "      WHERE p.id = snapshots_layer.parent AND p.chain IS NOT NULL))"
                  " AND NOT EXISTS (SELECT 1 FROM snapshots_layer o"
                  "      WHERE o.driver = snapshots_layer.driver AND o.chain = ?1)",
                  "su", in->name, commit->number);
}

static int commit_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct snapshots_commit_request *in = in_record;
    struct snapshot_info *out = out_record;
    struct commit *commit = write_ctx(write);
    struct row row, parent = { 0 };
    struct freed none = { 0 };

    if (snapshot_find(write_db(write), write_namespace(write), commit->driver->name, in->key,
                      &row, write_arena(write), err) < 0)
        return -1;
    if (!streq(row.info.kind, "active"))
        return error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.200s: is %s, not active",
                         in->key, row.info.kind);
    if (row.number != commit->number)
        return error_set(err, ERROR_ABORTED, "snapshot %.200s: has been made anew meanwhile",
                         in->key);
    if (take_parent(write, in, &row, &parent, err) < 0 || check_rebased(commit, &row, &parent, err) < 0)
        return -1;
    *out = (struct snapshot_info){
        .key = in->name,
        .driver = row.info.driver,
        .kind = "committed",
        .parent = parent.number != 0 ? in->parent : row.info.parent,
        .labels = in->labels,
        .created = row.info.created,
        .updated = clock_now(),
        SET(layer, row.number),
    };
    if (snapshot_add(write, out, row.number, err) < 0 ||
        snapshot_drop(write, &row, &none, err) < 0 ||
        layer_write(write, commit, &parent, err) < 0 || layer_share(write, in, commit, err) < 0)
        return -1;
    return emit(write, "/snapshot/commit", in->key, err, "key", in->key, "name", in->name,
                "snapshotter", row.info.driver, NULL);
}

static void tidy(const struct commit *commit)
{
    struct error failed = { 0 };

    if (commit->driver->calls->tidy != NULL &&
        commit->driver->calls->tidy(commit->driver->state, commit->number, &failed) < 0)
        log_warn("snapshots", "commit layer %llu: %s", (unsigned long long)commit->number,
                 failed.text);
}

static int commit_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    (void)self, (void)request, (void)out;
    if (err == NULL)
        tidy(ctx);
    return 0;
}

static int rebase(const struct commit *commit, struct error *err)
{
    static const struct map no_labels;
    const struct layer_new layer = { .number = commit->number,
                                     .parent = commit->parent,
                                     .apart = true,
                                     .settled = true,
                                     .namespace = commit->namespace,
                                     .key = commit->in->key,
                                     .target = commit->in->name,
                                     .labels = &no_labels };

    return commit->driver->calls->rebase(commit->driver->state, &layer, err);
}

/* What the caller has not done: syncing, measuring. */
static int commit_job(struct job *job, const void *plan, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    struct commit commit = *(const struct commit *)plan;
    const struct snapshots_commit_request *in = commit.in;
    const struct snapshotter *calls = commit.driver->calls;

    if (commit.rebases && rebase(&commit, err) < 0)
        return -1;
    if ((!in->has_synced || !in->synced || commit.rebases) &&
        calls->sync(commit.driver->state, commit.number, err) < 0)
        return -1;
    if ((!in->has_size || !in->has_inodes) &&
        calls->usage(commit.driver->state, commit.number, commit.parent, &commit.size,
                     &commit.inodes, err) < 0)
        return -1;
    if (calls->label != NULL && in->labels.count > 0 &&
        calls->label(commit.driver->state, commit.number, &in->labels, err) < 0)
        return -1;
    if (calls->commit != NULL &&
        calls->commit(commit.driver->state, commit.number, in->name, commit.parent, err) < 0)
        return -1;
    if (job_check(job, err) < 0 || job_write(job, commit_write, in, out, &commit, err) < 0)
        return -1;
    tidy(&commit);
    return 0;
}

/* It has one, or is told it now. */
static int find_parent(struct snapshots *snapshots, struct request *request, struct commit *commit,
                       struct error *err)
{
    const uint64_t *parents;
    size_t count;
    struct row row;

    if (commit->in->parent != NULL) {
        if (snapshot_find(snapshots->db, commit->namespace, commit->driver->name,
                          commit->in->parent, &row, request_arena(request), err) < 0)
            return error_wrap(err, "parent");
        commit->parent = row.number;
        return 0;
    }
    if (layer_parents(snapshots->db, commit->number, &parents, &count, request_arena(request),
                      err) < 0)
        return -1;
    commit->parent = count > 0 ? parents[0] : 0;
    return 0;
}

int on_snapshot_commit(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    const struct snapshots_commit_request *in = request_body(request);
    struct commit *commit = arena_alloc(request_arena(request), sizeof(*commit));
    struct row row;

    if (in->has_synced && in->synced && !request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "snapshots.commit: synced is said inside the daemon only");
    commit->driver = driver_wanted(snapshots, request, in->driver, err);
    if (commit->driver == NULL || snapshot_key_check("name", in->name, err) < 0 ||
        labels_check(&in->labels, err) < 0 ||
        snapshot_find(snapshots->db, request_namespace(request), commit->driver->name,
                      in->key, &row, request_arena(request), err) < 0)
        return -1;
    commit->in = in;
    commit->namespace = request_namespace(request);
    commit->rebases = row.apart && commit->driver->calls->whole;
    commit->number = row.number;
    commit->size = in->size;
    commit->inodes = in->inodes;
    if (find_parent(snapshots, request, commit, err) < 0)
        return -1;
    request_on_end(request, on_committed, NULL);
    if (in->has_synced && in->synced && in->has_size && in->has_inodes && !commit->rebases &&
        commit->driver->calls->commit == NULL && !commit->driver->calls->waits)
        return request_write(request, commit_write, commit_after, commit, err);
    return request_run_on(request, commit_job, commit, err);
}
