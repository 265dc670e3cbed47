/*
 * The happy path is one row per namespace.  What can fail: a name that is no identifier,
 * one that is taken, a default that does not exist, and removing one that still holds something.
 */
#include "actors/namespaces/namespaces.h"

#include "actors/base/defaults.h"
#include "actors/base/job.h"
#include "actors/base/page.h"
#include "actors/base/writer.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

struct namespaces {
    char database[PATH_SIZE];
    struct db *db;
};

static const char *const steps[] = {
    "CREATE TABLE namespaces_namespace ("
    "    name TEXT PRIMARY KEY, labels BLOB, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO namespaces_namespace (name, created)"
    "    VALUES ('default', CAST(strftime('%s', 'now') AS INTEGER) * 1000000000);",
    "ALTER TABLE namespaces_namespace ADD COLUMN shareable INTEGER NOT NULL DEFAULT 0;",
    NULL,
};
const struct db_schema namespaces_schema = { "namespaces", steps };

static struct namespace_info info_read(struct query *row, struct arena *arena)
{
    return (struct namespace_info){
        .name = query_str(row, 0, arena),
        .labels = query_labels(row, 1, arena),
        SET(created, query_int(row, 2)),
    };
}

static int no_such(const char *name, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, "namespace %.80s: there is none", name);
}

static int find(struct db *db, const char *name, struct arena *arena, struct namespace_info *info,
                struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(db, &row, err,
                 "SELECT name, labels, created FROM namespaces_namespace WHERE name = ?", "s",
                 name) < 0 ||
        (found = query_next(&row, err)) < 0)
        return -1;
    if (found == 0)
        return no_such(name, err);
    *info = info_read(&row, arena);
    return 0;
}

/* ---- reading -------------------------------------------------------------------------- */

static int on_get(void *self, struct request *request, struct error *err)
{
    struct namespaces *namespaces = self;
    const struct namespaces_get_request *in = request_body(request);
    struct namespace_info info;

    if (find(namespaces->db, in->name, request_arena(request), &info, err) < 0)
        return -1;
    return request_reply(request, &info);
}

static int list(struct namespaces *namespaces, const char *after, struct page *page,
                struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(namespaces->db, &row, err,
                 "SELECT name, labels, created FROM namespaces_namespace WHERE name > ?"
                 " ORDER BY name",
                 "s", after ? after : "") < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1 && !page_is_full(page)) {
        struct namespace_info info = info_read(&row, page->arena);

        page_add(page, &info, &info.labels);
    }
    return found < 0 ? -1 : 0;
}

static int on_list(void *self, struct request *request, struct error *err)
{
    const struct page_request *in = request_body(request);
    struct namespaces_list_reply out;
    struct page page;

    page_open(&page, request_arena(request), sizeof(struct namespace_info), in->limit);
    if (page_filter(&page, &in->filters, namespace_info_record(), err) < 0 ||
        list(self, in->after, &page, err) < 0)
        return -1;
    out = (struct namespaces_list_reply){ .namespaces = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}

/* ---- what labels may say -------------------------------------------------------------------- */

static const char *said(const struct map *labels, const char *key)
{
    const char *value = map_get(labels, key);

    return value != NULL && *value != '\0' ? value : NULL; /* an empty one removes the label */
}

static int64_t is_shareable(const struct map *labels)
{
    const char *value = map_get(labels, LABEL_SHAREABLE);

    return value != NULL && streq(value, "true");
}

static int labels_are_words(const struct map *labels, struct error *err)
{
    const char *value = said(labels, LABEL_SHAREABLE);

    if (labels_check(labels, err) < 0)
        return -1;
    if (value == NULL || streq(value, "true") || streq(value, "false"))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "label %s: '%.40s' is not true or false",
                     LABEL_SHAREABLE, value);
}

/* Asks those who would have to serve the defaults. */
static int check_defaults(struct job *job, const struct map *labels, struct error *err)
{
    const struct snapshots_list_request driver = { .driver = said(labels, DEFAULT_SNAPSHOTTER),
                                                   SET(limit, 1) };
    const struct tasks_runtime_request runtime = { .name = said(labels, DEFAULT_RUNTIME) };

    if (driver.driver != NULL && call(job, &op_snapshots_list, &driver, NULL, err) < 0)
        return error_wrap(err, "label " DEFAULT_SNAPSHOTTER);
    if (runtime.name != NULL && call(job, &op_tasks_runtime, &runtime, NULL, err) < 0)
        return error_wrap(err, "label " DEFAULT_RUNTIME);
    return 0;
}

static bool has_defaults(const struct map *labels)
{
    return said(labels, DEFAULT_SNAPSHOTTER) != NULL || said(labels, DEFAULT_RUNTIME) != NULL;
}

/* ---- changing --------------------------------------------------------------------------- */

static int create_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct namespace_info *in = in_record;
    struct namespace_info *out = out_record;
    struct buffer packed = db_labels(&in->labels);
    int result;

    *out = (struct namespace_info){ .name = in->name,
                                    .labels = in->labels,
                                    SET(created, clock_now()) };
    result =
        db_run(write_db(write), err,
               "INSERT INTO namespaces_namespace (name, labels, created, shareable)"
               " VALUES (?, ?, ?, ?)",
               "sbii", in->name, packed.data, packed.size, out->created, is_shareable(&in->labels));
    buffer_free(&packed);
    if (result < 0 && err->code == ERROR_ALREADY_EXISTS)
        return error_set(err, ERROR_ALREADY_EXISTS, "namespace %s: is there already", in->name);
    if (result < 0)
        return -1;
    return emit_in(write, in->name, "/namespaces/create", in->name, err, NULL);
}

static int create_job(struct job *job, const void *in, void *out, struct error *err)
{
    if (check_defaults(job, &((const struct namespace_info *)in)->labels, err) < 0)
        return -1;
    return job_write(job, create_write, in, out, NULL, err);
}

static int on_create(void *self, struct request *request, struct error *err)
{
    const struct namespace_info *in = request_body(request);

    (void)self;
    if (identifier_check("namespace", in->name, err) < 0 || labels_are_words(&in->labels, err) < 0)
        return -1;
    if (has_defaults(&in->labels))
        return request_run(request, create_job, err);
    return request_write(request, create_write, NULL, NULL, err);
}

static int update_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct namespaces_update_request *in = in_record;
    struct namespace_info *out = out_record;
    struct buffer packed;
    int result;

    if (find(write_db(write), in->name, write_arena(write), out, err) < 0)
        return -1;
    out->labels = labels_merge(&out->labels, &in->labels, write_arena(write));
    packed = db_labels(&out->labels);
    result = db_run(write_db(write), err,
                    "UPDATE namespaces_namespace SET labels = ?, shareable = ? WHERE name = ?",
                    "bis", packed.data, packed.size, is_shareable(&out->labels), in->name);
    buffer_free(&packed);
    if (result < 0)
        return -1;
    return emit_in(write, in->name, "/namespaces/update", in->name, err, NULL);
}

static int update_job(struct job *job, const void *in, void *out, struct error *err)
{
    if (check_defaults(job, &((const struct namespaces_update_request *)in)->labels, err) < 0)
        return -1;
    return job_write(job, update_write, in, out, NULL, err);
}

static int on_update(void *self, struct request *request, struct error *err)
{
    const struct namespaces_update_request *in = request_body(request);

    (void)self;
    if (labels_are_words(&in->labels, err) < 0)
        return -1;
    if (has_defaults(&in->labels))
        return request_run(request, update_job, err);
    return request_write(request, update_write, NULL, NULL, err);
}

/* What the other actors keep in it; NULL: nothing. */
static int look_inside(struct write *write, const char *name, const char **holds, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(write_db(write), &query, err,
                 "SELECT CASE"
                 " WHEN EXISTS (SELECT 1 FROM containers_container WHERE namespace = ?1)"
                 " THEN 'containers'"
                 " WHEN EXISTS (SELECT 1 FROM images_image WHERE namespace = ?1) THEN 'images'"
                 " WHEN EXISTS (SELECT 1 FROM snapshots_snapshot WHERE namespace = ?1)"
                 " THEN 'snapshots'"
                 " WHEN EXISTS (SELECT 1 FROM content_blob WHERE namespace = ?1) THEN 'content'"
                 " WHEN EXISTS (SELECT 1 FROM content_ingest WHERE namespace = ?1) THEN 'ingests'"
                 " WHEN EXISTS (SELECT 1 FROM volumes_volume WHERE namespace = ?1) THEN 'volumes'"
                 " WHEN EXISTS (SELECT 1 FROM leases_lease WHERE namespace = ?1) THEN 'leases'"
                 " END",
                 "s", name) < 0 ||
        query_next(&query, err) < 0)
        return -1;
    *holds = query_str(&query, 0, write_arena(write));
    return 0;
}

static int remove_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct namespaces_get_request *in = in_record;
    const char *holds;

    (void)out;
    if (look_inside(write, in->name, &holds, err) < 0)
        return -1;
    if (holds != NULL) {
        error_set(err, ERROR_FAILED_PRECONDITION, "namespace %s: still holds %s", in->name, holds);
        return error_hint(err, "remove its containers and images first");
    }
    if (db_run(write_db(write), err, "DELETE FROM namespaces_namespace WHERE name = ?", "s",
               in->name) < 0)
        return -1;
    if (db_changes(write_db(write)) == 0)
        return no_such(in->name, err);
    return emit_in(write, in->name, "/namespaces/delete", in->name, err, NULL);
}

static int on_remove(void *self, struct request *request, struct error *err)
{
    const struct namespaces_get_request *in = request_body(request);

    (void)self;
    if (streq(in->name, "default"))
        return error_set(err, ERROR_FAILED_PRECONDITION, "namespace default: always stays");
    return request_write(request, remove_write, NULL, NULL, err);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int start(void *self, struct loop *loop, struct error *err)
{
    struct namespaces *namespaces = self;

    (void)loop;
    return db_open(namespaces->database, true, &namespaces->db, err);
}

static void stop(void *self)
{
    struct namespaces *namespaces = self;

    db_close(&namespaces->db);
}

struct namespaces *namespaces_new(const struct namespaces_config *config)
{
    struct namespaces *namespaces = zmalloc(sizeof(*namespaces));

    snprintf(namespaces->database, sizeof(namespaces->database), "%s", config->database);
    return namespaces;
}

void namespaces_free(struct namespaces **namespaces)
{
    free(*namespaces);
    *namespaces = NULL;
}

static const struct route routes[] = {
    { &op_namespaces_create, on_create }, { &op_namespaces_get, on_get },
    { &op_namespaces_list, on_list },     { &op_namespaces_update, on_update },
    { &op_namespaces_remove, on_remove }, { 0 },
};
const struct actor namespaces_actor = { "namespaces", routes, start, stop };
