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

#define TTL_MS      (24 * 3600 * 1000ull) /* when not said otherwise */
#define LOOK_MS_MAX 60000                 /* the clock may be set meanwhile */

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

/* 0, and what is longer than time: never. */
static void set_expiry(struct lease_info *info, int64_t from, uint64_t ttl_ms)
{
    info->has_expires = ttl_ms > 0 && ttl_ms <= (uint64_t)(INT64_MAX - from) / 1000000;
    info->expires = info->has_expires ? from + (int64_t)ttl_ms * 1000000 : 0;
}

/* Those of jobs are nobody else's. */
int lease_is_ours(const char *id, struct request *request, struct error *err)
{
    if (!lease_is_of_job(id) || request_is_inside(request))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "lease id %.40s: those with " JOB_LEASE " are the daemon's own", id);
}

/* The label decides, then ttl_ms (0: never lapses), then a day. */
static int expiry(const struct leases_create_request *in, struct lease_info *info,
                  struct error *err)
{
    uint64_t ttl_ms = in->has_ttl_ms ? in->ttl_ms : TTL_MS;

    if (labels_expiry(&in->labels, &info->expires, err) < 0)
        return -1;
    info->has_expires = info->expires != 0;
    if (info->has_expires)
        return 0;
    set_expiry(info, info->created, ttl_ms);
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
    if (in->id != NULL && lease_is_ours(in->id, request, err) < 0)
        return -1;
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
    if (db_changes(write_db(write)) == 0) /* a job's has its row with the first thing that hangs on it */
        return write_ctx(write) != NULL && lease_is_of_job(in->id) ? 0 : no_such(in->id, err);
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
    return request_write(request, remove_write, remove_after, request_is_inside(request) ? self : NULL, err);
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

/* ---- reading ------------------------------------------------------------------------------ */

#define COLUMNS "id, labels, created, expires"

static struct lease_info info_read(struct query *row, struct arena *arena)
{
    return (struct lease_info){
        .id = query_str(row, 0, arena),
        .labels = query_labels(row, 1, arena),
        SET(created, query_int(row, 2)),
        .expires = query_int(row, 3),
        .has_expires = !query_is_null(row, 3),
    };
}

int lease_find(struct db *db, const char *namespace, const char *id, struct lease_info *info,
               struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err,
                 "SELECT " COLUMNS " FROM leases_lease WHERE namespace = ? AND id = ?"
                 " AND (expires IS NULL OR expires > ?)",
                 "ssi", namespace, id, clock_now()) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return no_such(id, err);
    *info = info_read(&query, arena);
    return 0;
}

static int on_get(void *self, struct request *request, struct error *err)
{
    struct leases *leases = self;
    const struct leases_get_request *in = request_body(request);
    struct lease_info info;

    if (lease_find(leases->db, request_namespace(request), in->id, &info, request_arena(request),
                   err) < 0)
        return -1;
    return request_reply(request, &info);
}

static int list(struct leases *leases, const char *namespace, const char *after, struct page *page,
                struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(leases->db, &row, err,
                 "SELECT " COLUMNS " FROM leases_lease"
                 " WHERE namespace = ? AND id > ? AND (expires IS NULL OR expires > ?) ORDER BY id",
                 "ssi", namespace, after ? after : "", clock_now()) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1 && !page_is_full(page)) {
        struct lease_info info = info_read(&row, page->arena);

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

/* ---- changing ----------------------------------------------------------------------------- */

/* What was said last decides: a time in the label, a time from now, or neither any more. */
static int update_expiry(const struct leases_update_request *in, struct lease_info *info,
                         struct error *err)
{
    int64_t expires;

    if (labels_expiry(&info->labels, &expires, err) < 0)
        return -1;
    if (map_get(&in->labels, LABEL_GC_EXPIRE) != NULL) {
        info->expires = expires;
        info->has_expires = expires != 0;
    } else if (in->has_ttl_ms && expires != 0) {
        error_set(err, ERROR_INVALID_ARGUMENT, "lease %s: its label %s says when it lapses",
                  info->id, LABEL_GC_EXPIRE);
        return error_hint(err, "change the label, or remove it first");
    } else if (in->has_ttl_ms) {
        set_expiry(info, clock_now(), in->ttl_ms);
    }
    return 0;
}

static int update_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct leases_update_request *in = in_record;
    struct lease_info *out = out_record;
    struct buffer packed;
    int result;

    if (lease_find(write_db(write), write_namespace(write), in->id, out, write_arena(write), err) <
        0)
        return -1;
    out->labels = labels_merge(&out->labels, &in->labels, write_arena(write));
    if (update_expiry(in, out, err) < 0)
        return -1;
    packed = db_labels(&out->labels);
    result = db_run(write_db(write), err,
                    "UPDATE leases_lease SET labels = ?1, flat = ?2, expires = iif(?3, ?4, NULL)"
                    " WHERE namespace = ?5 AND id = ?6",
                    "biiiss", packed.data, packed.size,
                    (int64_t)(map_get(&out->labels, LABEL_GC_FLAT) != NULL),
                    (int64_t)out->has_expires, out->expires, write_namespace(write), in->id);
    buffer_free(&packed);
    loosen(write); /* it may keep less from now on */
    return result;
}

static int on_update(void *self, struct request *request, struct error *err)
{
    const struct leases_update_request *in = request_body(request);

    (void)self;
    if (lease_is_ours(in->id, request, err) < 0 || labels_check(&in->labels, err) < 0)
        return -1;
    return request_write(request, update_write, create_after, NULL, err);
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
    { &op_leases_create, on_create },
    { &op_leases_list, on_list },
    { &op_leases_remove, on_remove },
    { &op_leases_add, on_lease_add },
    { &op_leases_resources, on_lease_resources },
    { &op_leases_get, on_get },
    { &op_leases_update, on_update },
    { &op_leases_release, on_lease_release },
    { 0 },
};
const struct actor leases_actor = { "leases", routes, start, stop };
