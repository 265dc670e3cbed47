/* What is asked without changing anything. */
#include "actors/base/job.h"
#include "actors/base/page.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

static int find(struct snapshots *snapshots, struct request *request, struct seen *seen,
                struct error *err)
{
    const struct snapshots_key_request *in = request_body(request);

    seen->driver = driver_wanted(snapshots, request, in->driver, err);
    if (seen->driver == NULL)
        return -1;
    return snapshot_find(snapshots->db, request_namespace(request), seen->driver->name, in->key,
                         &seen->row, request_arena(request), err);
}

static int find_parents(struct snapshots *snapshots, struct request *request, struct seen *seen,
                        struct error *err)
{
    return layer_parents(snapshots->db, seen->row.number, &seen->parents, &seen->parent_count,
                         request_arena(request), err);
}

/* What is the layer's, not the row's. */
static void tell_layer(struct row *row, const struct driver *driver)
{
    row->info.whole = driver->calls->whole;
    row->info.remote = row->is_remote;
    row->info.has_whole = row->info.has_remote = true;
}

int on_snapshot_stat(void *self, struct request *request, struct error *err)
{
    struct seen seen;

    if (find(self, request, &seen, err) < 0)
        return -1;
    tell_layer(&seen.row, seen.driver);
    return request_reply(request, &seen.row.info);
}

/* ---- mounts ------------------------------------------------------------------------------- */

/* Not with id-mapped layers: who reads such a file system mounts it as it is, upper folder and
   all, and the kernel mounts a volatile one once. */
static bool is_volatile(const struct map *labels)
{
    const char *value = map_get(labels, SNAPSHOT_VOLATILE);

    return value != NULL && streq(value, "yes") && map_get(labels, SNAPSHOT_UIDS) == NULL;
}

int snapshot_mounts_of(const struct seen *seen, struct snapshots_mounts_reply *out,
                       struct arena *arena, struct error *err)
{
    const struct driver *driver = seen->driver;
    const struct layer_stack stack = { .number = seen->row.number,
                                       .read_only = streq(seen->row.info.kind, "view"),
                                       .is_volatile = is_volatile(&seen->row.info.labels),
                                       .parents = seen->parents,
                                       .parent_count = seen->parent_count };
    char path[PATH_SIZE];

    *out = (struct snapshots_mounts_reply){ SET(layer, stack.number),
                                            SET(whole, driver->calls->whole) };
    if (driver->calls->mounts(driver->state, &stack, &out->mounts, arena, err) < 0)
        return -1;
    mapping_add(seen, &out->mounts, arena);
    if (stack.read_only)
        return 0;
    if (driver->calls->folder(driver->state, stack.number, path, err) < 0) {
        out->mounted = out->has_mounted = err->code == ERROR_NOT_FOUND;
        return out->mounted ? 0 : -1;
    }
    if (!seen->row.apart)
        out->path = arena_str(arena, path);
    return 0;
}

static int mounts_job(struct job *job, const void *in, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);

    return snapshot_mounts_of(in, out, job_arena(job), err);
}

int on_snapshot_mounts(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    struct seen *seen = arena_alloc(request_arena(request), sizeof(*seen));
    struct snapshots_mounts_reply out;

    if (find(snapshots, request, seen, err) < 0)
        return -1;
    if (streq(seen->row.info.kind, "committed")) {
        error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.200s: is committed",
                  seen->row.info.key);
        return error_hint(err, "prepare or view a snapshot on top of it");
    }
    if (find_parents(snapshots, request, seen, err) < 0)
        return -1;
    if (seen->driver->calls->waits)
        return request_run_on(request, mounts_job, seen, err);
    if (snapshot_mounts_of(seen, &out, request_arena(request), err) < 0)
        return -1;
    return request_reply(request, &out);
}

/* ---- usage ---------------------------------------------------------------------------------- */

static int usage_job(struct job *job, const void *in, void *out_record, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    const struct seen *seen = in;
    struct snapshots_usage_reply *out = out_record;

    return seen->driver->calls->usage(seen->driver->state, seen->row.number,
                                      seen->parent_count > 0 ? seen->parents[0] : 0, &out->size,
                                      &out->inodes, err);
}

/* What was counted when it was committed; 0: not found. */
static int usage_read(struct snapshots *snapshots, uint64_t number,
                      struct snapshots_usage_reply *out, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(snapshots->db, &query, err,
                 "SELECT size, inodes FROM snapshots_layer WHERE id = ? AND size IS NOT NULL", "u",
                 number) < 0)
        return -1;
    found = query_next(&query, err);
    if (found == 1)
        *out = (struct snapshots_usage_reply){ (uint64_t)query_int(&query, 0),
                                               (uint64_t)query_int(&query, 1) };
    return found;
}

int on_snapshot_usage(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    struct seen *seen = arena_alloc(request_arena(request), sizeof(*seen));
    struct snapshots_usage_reply out = { 0 };
    int found;

    if (find(snapshots, request, seen, err) < 0 ||
        (found = usage_read(snapshots, seen->row.number, &out, err)) < 0)
        return -1;
    if (found == 1 || streq(seen->row.info.kind, "view"))
        return request_reply(request, &out);
    if (find_parents(snapshots, request, seen, err) < 0)
        return -1;
    return request_run_on(request, usage_job, seen, err);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int list(struct snapshots *snapshots, struct request *request, const struct driver *driver,
                struct page *page, struct error *err)
{
    const struct snapshots_list_request *in = request_body(request);
    CLEANUP(query_done) struct query query = { 0 };
    struct row row;
    int found;

    if (db_query(snapshots->db, &query, err,
                 "SELECT " ROW_COLUMNS
                 " FROM snapshots_snapshot s JOIN snapshots_layer l ON l.id = s.layer"
                 " WHERE s.namespace = ? AND s.driver = ? AND s.key > ? ORDER BY s.key",
                 "sss", request_namespace(request), driver->name, in->after ? in->after : "") < 0)
        return -1;
    while ((found = query_next(&query, err)) == 1 && !page_is_full(page)) {
        snapshot_take(&query, &row, page->arena);
        tell_layer(&row, driver);
        page_add(page, &row.info, &row.info.labels);
    }
    return found < 0 ? -1 : 0;
}

int on_snapshot_list(void *self, struct request *request, struct error *err)
{
    const struct snapshots_list_request *in = request_body(request);
    const struct driver *driver = driver_wanted(self, request, in->driver, err);
    struct snapshots_list_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct snapshot_info), in->limit);
    if (driver == NULL ||
        page_filter(&page, &in->filters, snapshot_info_record(), err) < 0 ||
        list(self, request, driver, &page, err) < 0)
        return -1;
    out = (struct snapshots_list_reply){ .snapshots = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}
