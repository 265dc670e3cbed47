/* Changing labels, and removing.  Removing is row first, then files, and those behind. */
#include "actors/base/collect.h"
#include "actors/base/edge.h"
#include "actors/base/job.h"
#include "actors/base/reach.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

/* ---- labels ------------------------------------------------------------------------------ */

static int update_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct snapshots_update_request *in = in_record;
    const struct driver *driver = write_ctx(write);
    struct snapshot_info *out = out_record;
    struct buffer packed;
    struct row row;
    int result;

    if (snapshot_find(write_db(write), write_namespace(write), driver->name, in->key, &row,
                      write_arena(write), err) < 0)
        return -1;
    *out = row.info;
    out->labels = labels_merge(&row.info.labels, &in->labels, write_arena(write));
    out->updated = clock_now();
    packed = db_labels(&out->labels);
    result = db_run(write_db(write), err,
                    "UPDATE snapshots_snapshot SET labels = ?, root = ?, updated = ?"
                    " WHERE namespace = ? AND driver = ? AND key = ?",
                    "biisss", packed.data, packed.size,
                    (int64_t)(map_get(&out->labels, LABEL_GC_ROOT) != NULL), out->updated,
                    write_namespace(write), out->driver, out->key);
    buffer_free(&packed);
    loosen(write);
    return result < 0 ? -1 : snapshot_edges(write, out, err);
}

struct relabelling {
    const struct snapshots_update_request *in;
    const struct driver *driver;
    uint64_t number;
};

/* What the driver did not take is not in the row either. */
static int update_job(struct job *job, const void *plan, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    const struct relabelling *change = plan;
    const struct driver *driver = change->driver;

    if (driver->calls->label(driver->state, change->number, &change->in->labels, err) < 0)
        return error_wrap(err, "labels of snapshot %.200s", change->in->key);
    return job_write(job, update_write, change->in, out, (void *)(uintptr_t)driver, err);
}

static int update_slowly(struct snapshots *snapshots, struct request *request,
                         const struct driver *driver, struct error *err)
{
    const struct snapshots_update_request *in = request_body(request);
    struct relabelling *change = arena_alloc(request_arena(request), sizeof(*change));
    struct row row;

    if (snapshot_find(snapshots->db, request_namespace(request), driver->name, in->key, &row,
                      request_arena(request), err) < 0)
        return -1;
    *change = (struct relabelling){ in, driver, row.number };
    return request_run_on(request, update_job, change, err);
}

int on_snapshot_update(void *self, struct request *request, struct error *err)
{
    const struct snapshots_update_request *in = request_body(request);
    const struct driver *driver = driver_wanted(self, request, in->driver, err);

    if (driver == NULL || labels_check(&in->labels, err) < 0)
        return -1;
    if (driver->calls->label != NULL)
        return update_slowly(self, request, driver, err);
    return request_write(request, update_write, NULL, (void *)(uintptr_t)driver, err);
}

/* ---- removing ------------------------------------------------------------------------------ */

struct removal {
    const struct driver *driver;
    struct freed freed;
};

static int look_for_children(struct write *write, const struct row *row, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(write_db(write), &query, err,
                 "SELECT key FROM snapshots_snapshot"
                 " WHERE namespace = ? AND driver = ? AND parent = ? LIMIT 1",
                 "sss", write_namespace(write), row->info.driver, row->info.key) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.150s: %.150s stands on it",
                     row->info.key, query_text(&query, 0));
}

int snapshot_is_kept(struct write *write, const struct row *row, struct error *err)
{
    return is_reachable(write_db(write), write_namespace(write), "snapshot", row->info.driver,
                        row->info.key, err);
}

static int check_unreferenced(struct write *write, const struct row *row, struct error *err)
{
    int kept = snapshot_is_kept(write, row, err);

    if (kept == 1)
        return error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.200s: is referenced",
                         row->info.key);
    return kept;
}

int snapshot_remove(struct write *write, const struct row *row, struct freed *freed,
                    struct error *err)
{
    if (look_for_children(write, row, err) < 0 || snapshot_drop(write, row, freed, err) < 0)
        return -1;
    return emit(write, "/snapshot/remove", row->info.key, err, "key", row->info.key, "snapshotter",
                row->info.driver, NULL);
}

static int remove_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct snapshots_key_request *in = in_record;
    struct removal *removal = write_ctx(write);
    bool collects = in->has_unreferenced && in->unreferenced;
    struct row row;

    (void)out;
    if (snapshot_find(write_db(write), write_namespace(write), removal->driver->name,
                      in->key, &row, write_arena(write), err) < 0 ||
        (collects && check_unreferenced(write, &row, err) < 0) ||
        snapshot_remove(write, &row, &removal->freed, err) < 0)
        return -1;
    if (!collects && (!in->has_sync || !in->sync)) /* else the collector runs already, or is asked */
        loosen(write);
    return 0;
}

/* No row names them any more, and a number is never given out twice. */
static int remove_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    const struct snapshots_key_request *in = request_body(request);
    const struct removal *removal = ctx;
    struct error failed = { 0 };

    (void)out;
    for (size_t i = 0; err == NULL && i < removal->freed.count; i++)
        layer_discard(self, removal->driver, removal->freed.numbers[i]);
    if (err != NULL || !in->has_sync || !in->sync)
        return 0;
    if (request_run(request, collect_job, &failed) < 0)
        request_fail(request, &failed);
    return 1;
}

int on_snapshot_remove(void *self, struct request *request, struct error *err)
{
    const struct snapshots_key_request *in = request_body(request);
    struct removal *removal = arena_alloc(request_arena(request), sizeof(*removal));

    removal->driver = driver_wanted(self, request, in->driver, err);
    if (removal->driver == NULL)
        return -1;
    return request_write(request, remove_write, remove_after, removal, err);
}
