/* What is asked without changing anything. */
#include "actors/base/job.h"
#include "actors/base/page.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

static int find(struct snapshots *snapshots, struct request *request, const struct driver **driver,
                struct row *row, struct error *err)
{
    const struct snapshots_key_request *in = request_body(request);

    *driver = snapshot_driver(snapshots, in->driver, err);
    if (*driver == NULL)
        return -1;
    return snapshot_find(snapshots->db, request_namespace(request), (*driver)->calls->name, in->key,
                         row, request_arena(request), err);
}

int on_snapshot_stat(void *self, struct request *request, struct error *err)
{
    const struct driver *driver;
    struct row row;

    if (find(self, request, &driver, &row, err) < 0)
        return -1;
    return request_reply(request, &row.info);
}

/* ---- mounts ------------------------------------------------------------------------------- */

int snapshot_mounts_of(const struct driver *driver, struct db *db, const struct row *row,
                       struct snapshots_mounts_reply *out, struct arena *arena, struct error *err)
{
    struct layer_stack stack = { .number = row->number,
                                 .read_only = streq(row->info.kind, "view") };
    char path[PATH_SIZE];

    *out = (struct snapshots_mounts_reply){ SET(layer, row->number) };
    if (layer_parents(db, row->number, &stack.parents, &stack.parent_count, arena, err) < 0 ||
        driver->calls->mounts(driver->state, &stack, &out->mounts, arena, err) < 0)
        return -1;
    if (stack.read_only || row->apart)
        return 0;
    if (driver->calls->folder(driver->state, row->number, path, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1;
    out->path = arena_str(arena, path);
    return 0;
}

int on_snapshot_mounts(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    struct snapshots_mounts_reply out;
    const struct driver *driver;
    struct row row;

    if (find(snapshots, request, &driver, &row, err) < 0)
        return -1;
    if (streq(row.info.kind, "committed")) {
        error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.200s: is committed", row.info.key);
        return error_hint(err, "prepare or view a snapshot on top of it");
    }
    if (snapshot_mounts_of(driver, snapshots->db, &row, &out, request_arena(request), err) < 0)
        return -1;
    return request_reply(request, &out);
}

/* ---- usage ---------------------------------------------------------------------------------- */

struct measure {
    const struct driver *driver;
    uint64_t number;
};

static int usage_job(struct job *job, const void *in, void *out_record, struct error *err)
{
    const struct measure *measure = in;
    struct snapshots_usage_reply *out = out_record;

    (void)job;
    return measure->driver->calls->usage(measure->driver->state, measure->number, &out->size,
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
    struct measure *measure = arena_alloc(request_arena(request), sizeof(*measure));
    struct snapshots_usage_reply out = { 0 };
    struct row row;
    int found;

    if (find(snapshots, request, &measure->driver, &row, err) < 0 ||
        (found = usage_read(snapshots, row.number, &out, err)) < 0)
        return -1;
    if (found == 1 || streq(row.info.kind, "view"))
        return request_reply(request, &out);
    measure->number = row.number;
    return request_run_on(request, usage_job, measure, err);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int list(struct snapshots *snapshots, struct request *request, const char *driver,
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
                 "sss", request_namespace(request), driver, in->after ? in->after : "") < 0)
        return -1;
    while ((found = query_next(&query, err)) == 1 && !page_is_full(page)) {
        snapshot_take(&query, &row, page->arena);
        page_add(page, &row.info, &row.info.labels);
    }
    return found < 0 ? -1 : 0;
}

int on_snapshot_list(void *self, struct request *request, struct error *err)
{
    const struct snapshots_list_request *in = request_body(request);
    const struct driver *driver = snapshot_driver(self, in->driver, err);
    struct snapshots_list_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct snapshot_info), in->limit);
    if (driver == NULL ||
        page_filter(&page, &in->filters, snapshot_info_record(), err) < 0 ||
        list(self, request, driver->calls->name, &page, err) < 0)
        return -1;
    out = (struct snapshots_list_reply){ .snapshots = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}
