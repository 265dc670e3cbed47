/*
 * The happy path is create -> hold by others -> remove.  One that is forgotten lapses: a
 * timer stands at the next expiry, and everybody who asks for a lease compares the clock,
 * so it does not matter when exactly the row goes.
 */
#include "actors/base/collect.h"
#include "actors/base/edge.h"
#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/base/page.h"
#include "actors/base/writer.h"
#include "actors/leases/store.h"
#include "platform/scope.h"
#include "protocol/json.h"
#include "protocol/oci/name.h"

#define TTL_MS       (24 * 3600 * 1000ull) /* when not said otherwise */
#define LOOK_MS_MAX  60000                 /* the clock may be set meanwhile */

static const char *const steps[] = {
    "CREATE TABLE leases_lease ("
    "    namespace TEXT NOT NULL, id TEXT NOT NULL, labels BLOB, flat INTEGER NOT NULL,"
    "    created INTEGER NOT NULL, expires INTEGER,"
    "    PRIMARY KEY (namespace, id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX leases_lease_expires ON leases_lease (expires) WHERE expires IS NOT NULL;"
    "CREATE TABLE leases_resource ("
    "    namespace TEXT NOT NULL, lease TEXT NOT NULL, kind TEXT NOT NULL, driver TEXT NOT NULL,"
    "    key TEXT NOT NULL,"
    "    PRIMARY KEY (namespace, lease, kind, driver, key),"
    "    FOREIGN KEY (namespace, lease) REFERENCES leases_lease (namespace, id)"
    "        ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE INDEX leases_resource_key ON leases_resource (namespace, kind, key);",
    NULL,
};
const struct db_schema leases_schema = { "leases", steps };

static void look_at_clock(struct leases *leases);

static int no_such(const char *id, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, "lease %.140s: there is none", id);
}

/* ---- create --------------------------------------------------------------------------- */

static int create_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    struct lease_info *out = out_record;
    const struct map *labels = &((const struct leases_create_request *)in_record)->labels;
    struct buffer packed = db_labels(labels);
    int result;

    *out = *(const struct lease_info *)write_ctx(write);
    result = db_run(write_db(write), err,
                    "INSERT INTO leases_lease (namespace, id, labels, flat, created, expires)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, iif(?6, ?7, NULL))",
                    "ssbiiii", write_namespace(write), out->id, packed.data, packed.size,
                    (int64_t)(map_get(labels, LABEL_GC_FLAT) != NULL), out->created,
                    (int64_t)out->has_expires, out->expires);
    buffer_free(&packed);
    if (result < 0 && err->code == ERROR_ALREADY_EXISTS)
        return error_set(err, ERROR_ALREADY_EXISTS, "lease %s: is there already", out->id);
    return result;
}

static int create_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    (void)request, (void)ctx, (void)out;
    if (err == NULL)
        look_at_clock(self);
    return 0;
}

/* The label decides, then ttl_ms (0: never lapses), then a day. */
static int expiry(const struct leases_create_request *in, struct lease_info *info,
                  struct error *err)
{
    uint64_t ttl_ms = in->has_ttl_ms ? in->ttl_ms : TTL_MS;

    if (labels_expiry(&in->labels, &info->expires, err) < 0)
        return -1;
    info->has_expires = info->expires != 0 || ttl_ms > 0;
    if (info->expires != 0)
        return 0;
    if (ttl_ms > (uint64_t)(INT64_MAX - info->created) / 1000000)
        info->has_expires = false;
    else
        info->expires = info->created + (int64_t)ttl_ms * 1000000;
    return 0;
}

static int on_create(void *self, struct request *request, struct error *err)
{
    const struct leases_create_request *in = request_body(request);
    struct arena *arena = request_arena(request);
    struct lease_info *info = arena_alloc(arena, sizeof(*info));
    char made_up[33];

    (void)self;
    if (in->id != NULL && (in->id[0] == '\0' || strlen(in->id) > LEASE_ID_MAX))
        return error_set(err, ERROR_INVALID_ARGUMENT, "lease id: has to have 1 to %d characters",
                         LEASE_ID_MAX);
    if (in->id != NULL && strncmp(in->id, JOB_LEASE, strlen(JOB_LEASE)) == 0 &&
        !request_is_inside(request))
        return error_set(err, ERROR_INVALID_ARGUMENT, "lease id %.40s: those with " JOB_LEASE
                         " are the daemon's own", in->id);
    job_new_id(made_up);
    *info = (struct lease_info){
        .id = in->id != NULL ? in->id : arena_str(arena, made_up),
        .labels = in->labels,
        SET(created, clock_now()),
    };
    if (labels_check(&in->labels, err) < 0 || expiry(in, info, err) < 0)
        return -1;
    return request_write(request, create_write, create_after, info, err);
}

/* ---- remove ----------------------------------------------------------------------------- */

static int remove_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct leases_remove_request *in = in_record;

    (void)out;
    if (db_run(write_db(write), err, "DELETE FROM leases_lease WHERE namespace = ? AND id = ?",
               "ss", write_namespace(write), in->id) < 0)
        return -1;
    if (db_changes(write_db(write)) == 0)
        return no_such(in->id, err);
    if (!in->has_sync || !in->sync)
        loosen(write); /* else the job below asks the collector */
    return 0;
}

static int remove_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    const struct leases_remove_request *in = request_body(request);
    struct error failed = { 0 };

    (void)ctx, (void)out;
    if (err != NULL && err->code != ERROR_NOT_FOUND && request_is_inside(request))
        orphan_add(self, request_namespace(request), in->id);
    if (err != NULL || !in->has_sync || !in->sync)
        return 0;
    if (request_run(request, collect_job, &failed) < 0)
        request_fail(request, &failed);
    return 1;
}

static int on_remove(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_write(request, remove_write, remove_after, NULL, err);
}

/* ---- lapsing ------------------------------------------------------------------------------- */

static int lapse_write(struct write *write, const void *in, void *out, struct error *err)
{
    (void)in, (void)out;
    if (db_run(write_db(write), err, "DELETE FROM leases_lease WHERE expires <= ?", "i",
               clock_now()) < 0)
        return -1;
    if (db_changes(write_db(write)) > 0)
        loosen(write);
    return 0;
}

static int lapse_after(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    (void)request, (void)ctx, (void)out;
    if (err != NULL)
        log_warn("leases", "remove what has lapsed: %s", err->text);
    look_at_clock(self);
    return 0;
}

static void on_expiry(void *self, void *arg)
{
    struct leases *leases = self;
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    (void)arg;
    leases->timer = -1;
    if (db_query(leases->db, &query, &err, "SELECT 1 FROM leases_lease WHERE expires <= ? LIMIT 1",
                 "i", clock_now()) == 0 &&
        query_next(&query, &err) == 1)
        loop_write(leases->loop, NULL, lapse_write, lapse_after, NULL, 0);
    else
        look_at_clock(leases);
}

/* Sets the timer to the next expiry. */
static void look_at_clock(struct leases *leases)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;
    int64_t left_ms;

    if (leases->timer >= 0)
        loop_timer_end(leases->loop, leases->timer);
    leases->timer = -1;
    if (loop_is_stopping(leases->loop) ||
        db_query(leases->db, &query, &err,
                 "SELECT min(expires) FROM leases_lease WHERE expires IS NOT NULL", "") < 0 ||
        query_next(&query, &err) != 1 || query_is_null(&query, 0))
        return;
    left_ms = (query_int(&query, 0) - clock_now()) / 1000000 + 1;
    if (left_ms < 1 || left_ms > LOOK_MS_MAX)
        left_ms = left_ms < 1 ? 1 : LOOK_MS_MAX;
    leases->timer = loop_timer(leases->loop, (uint64_t)left_ms, 1, on_expiry, NULL);
}

/* ---- what they hold ------------------------------------------------------------------------- */

static int find(struct db *db, const char *namespace, const char *id, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err, "SELECT 1 FROM leases_lease WHERE namespace = ? AND id = ?", "ss",
                 namespace, id) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    return found == 1 ? 0 : no_such(id, err);
}

static int add_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct leases_add_request *in = in_record;
    const struct resource *resources = in->resources.items;

    (void)out;
    if (find(write_db(write), write_namespace(write), in->id, err) < 0)
        return -1;
    for (size_t i = 0; i < in->resources.count; i++)
        if (db_run(write_db(write), err,
                   "INSERT OR IGNORE INTO leases_resource (namespace, lease, kind, driver, key)"
                   " VALUES (?, ?, ?, ?, ?)",
                   "sssss", write_namespace(write), in->id, resources[i].kind,
                   resources[i].driver ? resources[i].driver : "", resources[i].key) < 0)
            return -1;
    return 0;
}

static int resource_check(const struct resource *resource, struct error *err)
{
    bool is_snapshot = streq(resource->kind, "snapshot");

    if (!is_snapshot && !streq(resource->kind, "content") && !streq(resource->kind, "ingest") &&
        !streq(resource->kind, "image"))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "resource kind '%.40s': not content, snapshot, ingest or image",
                         resource->kind);
    if (is_snapshot && (resource->driver == NULL || resource->driver[0] == '\0'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "snapshot %.200s: say whose, with driver",
                         resource->key);
    return 0;
}

static int on_add(void *self, struct request *request, struct error *err)
{
    const struct leases_add_request *in = request_body(request);
    const struct resource *resources = in->resources.items;

    (void)self;
    for (size_t i = 0; i < in->resources.count; i++)
        if (resource_check(&resources[i], err) < 0)
            return -1;
    return request_write(request, add_write, NULL, NULL, err);
}

static int resources_read(struct leases *leases, struct request *request, const char *id,
                          struct page *page, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (find(leases->db, request_namespace(request), id, err) < 0 ||
        db_query(leases->db, &row, err,
                 "SELECT kind, key, driver FROM leases_resource WHERE namespace = ? AND lease = ?"
                 " ORDER BY kind, key, driver",
                 "ss", request_namespace(request), id) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        struct resource resource = { query_str(&row, 0, page->arena),
                                     query_str(&row, 1, page->arena),
                                     query_str(&row, 2, page->arena) };

        page_add(page, &resource, NULL);
    }
    return found < 0 ? -1 : 0;
}

static int on_resources(void *self, struct request *request, struct error *err)
{
    const struct leases_get_request *in = request_body(request);
    struct leases_resources_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct resource), 0);
    if (resources_read(self, request, in->id, &page, err) < 0)
        return -1;
    out.resources = page.list;
    return request_reply(request, &out);
}

static int list(struct leases *leases, const char *namespace, const char *after, struct page *page,
                struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(leases->db, &row, err,
                 "SELECT id, labels, created, expires FROM leases_lease"
                 " WHERE namespace = ? AND id > ? AND (expires IS NULL OR expires > ?) ORDER BY id",
                 "ssi", namespace, after ? after : "", clock_now()) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1 && !page_is_full(page)) {
        struct lease_info info = {
            .id = query_str(&row, 0, page->arena),
            .labels = query_labels(&row, 1, page->arena),
            SET(created, query_int(&row, 2)),
            .expires = query_int(&row, 3),
            .has_expires = !query_is_null(&row, 3),
        };

        page_add(page, &info, &info.labels);
    }
    return found < 0 ? -1 : 0;
}

static int on_list(void *self, struct request *request, struct error *err)
{
    const struct page_request *in = request_body(request);
    struct leases_list_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct lease_info), in->limit);
    if (page_filter(&page, &in->filters, lease_info_record(), err) < 0)
        return -1;
    if (list(self, request_namespace(request), in->after, &page, err) < 0)
        return -1;
    out = (struct leases_list_reply){ .leases = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int start(void *self, struct loop *loop, struct error *err)
{
    struct leases *leases = self;

    leases->loop = loop;
    leases->timer = -1;
    if (db_open(leases->database, true, &leases->db, err) < 0)
        return -1;
    orphans_start(leases);
    look_at_clock(leases);
    return 0;
}

static void stop(void *self)
{
    struct leases *leases = self;

    orphans_stop(leases);
    db_close(&leases->db);
}

struct leases *leases_new(const struct leases_config *config)
{
    struct leases *leases = zmalloc(sizeof(*leases));

    snprintf(leases->database, sizeof(leases->database), "%s", config->database);
    return leases;
}

void leases_free(struct leases **leases)
{
    free(*leases);
    *leases = NULL;
}

static const struct route routes[] = {
    { &op_leases_create, on_create },       { &op_leases_list, on_list },
    { &op_leases_remove, on_remove },       { &op_leases_add, on_add },
    { &op_leases_resources, on_resources }, { 0 },
};
const struct actor leases_actor = { "leases", routes, start, stop };
