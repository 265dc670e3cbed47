/* Names: short operations, each one lookup or one write. */
#include "actors/images/images.h"

#include "actors/base/collect.h"
#include "actors/base/defaults.h"
#include "actors/base/edge.h"
#include "actors/base/job.h"
#include "actors/base/page.h"
#include "actors/base/reach.h"
#include "actors/base/writer.h"
#include "actors/images/health.h"
#include "actors/images/verify.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define COLUMNS "name, media_type, digest, size, labels, created, updated"

static const char *const steps[] = {
    "CREATE TABLE images_image ("
    " namespace TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,"
    " labels BLOB, created INTEGER NOT NULL, updated INTEGER NOT NULL, id TEXT, total INTEGER,"
    " PRIMARY KEY (namespace, name)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX images_digest ON images_image (namespace, digest);"
    "CREATE INDEX images_id ON images_image (namespace, id);",
    "ALTER TABLE images_image ADD COLUMN expires INTEGER;"
    "CREATE INDEX images_expires ON images_image (expires) WHERE expires IS NOT NULL;",
    NULL,
};

const struct db_schema images_schema = { "images", steps };

static struct image_info read_row(struct query *query, struct arena *arena)
{
    struct descriptor *target = arena_alloc(arena, sizeof(*target));

    *target = (struct descriptor){
        .media_type = query_str(query, 1, arena),
        .digest = query_str(query, 2, arena),
        .size = (uint64_t)query_int(query, 3),
    };
    return (struct image_info){
        .name = query_str(query, 0, arena),
        .target = target,
        .labels = query_labels(query, 4, arena),
        SET(created, query_int(query, 5)),
        SET(updated, query_int(query, 6)),
        .id = query_str(query, 7, arena),
        .size = (uint64_t)query_int(query, 8),
        .has_size = !query_is_null(query, 8),
    };
}

/* ---- finding -------------------------------------------------------------------------- */

static bool is_id_start(const char *text)
{
    size_t length;

    if (strncmp(text, "sha256:", 7) == 0)
        text += 7;
    length = strlen(text);
    return length >= 4 && length <= 64 && strspn(text, "0123456789abcdef") == length;
}

static int find_by_name(struct db *db, const char *namespace, const char *text, struct arena *arena,
                        struct image_info *info, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct reference reference;
    char full[REFERENCE_TEXT_SIZE];
    int found;

    if (reference_parse(text, &reference, err) < 0)
        return -1;
    if (db_query(db, &query, err, "SELECT " COLUMNS ", id, total FROM images_image WHERE namespace = ? AND name = ?", "ss",
                 namespace, reference_text(&reference, full)) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0) {
        error_set(err, ERROR_NOT_FOUND, "image %s is not here", full);
        return error_hint(err, "gantry pull %.100s", text);
    }
    *info = read_row(&query, arena);
    return 0;
}

/* All names of one image have one id; which of them is given does not matter. */
static int find_by_id(struct db *db, const char *namespace, const char *text, struct arena *arena,
                      struct image_info *info, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    char start[80];
    int found;

    snprintf(start, sizeof(start), "sha256:%.64s", strncmp(text, "sha256:", 7) == 0 ? text + 7 : text);
    if (db_query(db, &query, err,
                 "SELECT " COLUMNS ", id, total FROM images_image WHERE namespace = ? AND id >= ? AND id < ? || 'g' "
                 "GROUP BY id LIMIT 2",
                 "sss", namespace, start, start) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no image '%.80s'", text);
    *info = read_row(&query, arena);
    if ((found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "several image ids begin with '%.80s': give more of it", text);
    return 0;
}

void driver_settle(const struct images *images, struct request *request, const char **driver)
{
    *driver = default_of(images->db, request_namespace(request), DEFAULT_SNAPSHOTTER, *driver,
                         images->config->default_driver, request_arena(request));
}

const char *driver_platform(const struct images_config *config, const char *driver)
{
    for (const struct driver_platform *at = config->platforms; at != NULL && at->driver != NULL; at++)
        if (streq(at->driver, driver))
            return at->platform;
    return NULL;
}

int image_find(struct db *db, const char *namespace, const char *text, struct arena *arena,
               struct image_info *info, struct error *err)
{
    struct error by_id;

    if (find_by_name(db, namespace, text, arena, info, err) == 0)
        return 0;
    if (!is_id_start(text) || find_by_id(db, namespace, text, arena, info, &by_id) < 0)
        return is_id_start(text) && by_id.code == ERROR_INVALID_ARGUMENT ? (*err = by_id, -1) : -1;
    return 0;
}

static int on_get(void *self, struct request *request, struct error *err)
{
    const struct images *images = self;
    const struct images_get_request *in = request_body(request);
    struct image_info info;

    if (image_find(images->db, request_namespace(request), in->name, request_arena(request), &info, err) < 0)
        return -1;
    return request_reply(request, &info);
}

static int on_list(void *self, struct request *request, struct error *err)
{
    const struct images *images = self;
    const struct page_request *in = request_body(request);
    CLEANUP(query_done) struct query query = { 0 };
    struct images_list_reply reply;
    struct page page;
    int more;

    page_open(&page, request_arena(request), sizeof(struct image_info), in->limit);
    if (page_filter(&page, &in->filters, image_info_record(), err) < 0 ||
        db_query(images->db, &query, err,
                 "SELECT " COLUMNS ", id, total FROM images_image WHERE namespace = ? AND name > ? ORDER BY name", "ss",
                 request_namespace(request), in->after ? in->after : "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1 && !page_is_full(&page)) {
        struct image_info info = read_row(&query, page.arena);

        page_add(&page, &info, &info.labels);
    }
    if (more < 0)
        return -1;
    reply = (struct images_list_reply){ .images = page.list, SET(more, page.more) };
    return request_reply(request, &reply);
}

/* ---- changing ------------------------------------------------------------------------- */

static int put_row(struct write *write, const struct image_info *info, const char *topic, struct error *err)
{
    struct buffer labels;
    int64_t expires;
    int result;

    if (labels_expiry(&info->labels, &expires, err) < 0)
        return -1;
    labels = db_labels(&info->labels);
    result = db_run(write_db(write), err,
                    "INSERT INTO images_image (namespace, name, media_type, digest, size, labels, created, updated, id, "
                    "total, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0)) ON CONFLICT (namespace, name) DO "
                    "UPDATE SET media_type = excluded.media_type, digest = excluded.digest, size = excluded.size, "
                    "labels = excluded.labels, updated = excluded.updated, id = excluded.id, total = excluded.total, "
                    "expires = excluded.expires",
                    "ssssubiisui", write_namespace(write), info->name, info->target->media_type, info->target->digest,
                    info->target->size, labels.data, labels.size, info->created, info->updated, info->id,
                    info->has_size ? info->size : 0, expires);
    buffer_free(&labels);
    if (result < 0 || edges_write(write, "image", "", info->name, &info->labels, err) < 0)
        return -1;
    loosen(write); /* a name that moves lets go of what it named */
    return emit(write, topic, info->name, err, "digest", info->target->digest, NULL);
}

static int content_is_here(struct write *write, const char *digest, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(write_db(write), &query, err, "SELECT 1 FROM content_blob WHERE namespace = ? AND digest = ?", "ss",
                 write_namespace(write), digest) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    return found == 1 ? 0 : error_set(err, ERROR_FAILED_PRECONDITION, "content %s is not here", digest);
}

/* Points `name` at `target`, as a new name or an old one. */
static int point(struct write *write, const char *name, const struct descriptor *target, const struct map *labels,
                 const char *id, uint64_t total, struct image_info *out, struct error *err)
{
    struct image_info before = { 0 };
    struct error none = { 0 };
    struct error *why = &none;
    bool known = find_by_name(write_db(write), write_namespace(write), name, write_arena(write), &before, why) == 0;
    int64_t now = clock_now();

    if (!known && why->code != ERROR_NOT_FOUND)
        return *err = *why, -1;
    if (content_is_here(write, target->digest, err) < 0)
        return -1;
    *out = (struct image_info){
        .name = name,
        .target = target,
        .labels = known ? labels_merge(&before.labels, labels, write_arena(write)) : *labels,
        SET(created, known ? before.created : now),
        SET(updated, now),
        .id = id,
        .size = total,
        .has_size = total != 0,
    };
    if (known && strcmp(before.target->digest, target->digest) == 0 && labels->count == 0 &&
        (id == NULL || (before.id != NULL && strcmp(before.id, id) == 0))) {
        *out = before; /* nothing changed, nothing is told */
        return 0;
    }
    return put_row(write, out, known ? "/images/update" : "/images/create", err);
}

static int put(struct write *write, const void *in, void *out, struct error *err)
{
    const struct images_put_request *want = in;

    return point(write, write_ctx(write), want->target, &want->labels, want->id, want->has_size ? want->size : 0, out, err);
}

static char *full_name(struct request *request, const char *text, struct error *err)
{
    struct reference reference;
    char full[REFERENCE_TEXT_SIZE];

    if (reference_parse(text, &reference, err) < 0)
        return NULL;
    return arena_str(request_arena(request), reference_text(&reference, full));
}

/* A client's own name for what it has brought: the programs that are asked otherwise are asked here. */
static int put_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_put_request *want = in;

    if (image_verify(job, want->name, want->target, err) < 0)
        return -1;
    return call(job, &op_images_put, want, out, err);
}

static int on_put(void *self, struct request *request, struct error *err)
{
    const struct images *images = self;
    const struct images_put_request *in = request_body(request);
    char *name = full_name(request, in->name, err);

    if (name == NULL || labels_check(&in->labels, err) < 0)
        return -1;
    if (!request_is_inside(request) && images->config->verifiers != NULL && images->config->verifiers[0] != '\0')
        return request_run(request, put_job, err);
    return request_write(request, put, NULL, name, err);
}

static int tag(struct write *write, const void *in, void *out, struct error *err)
{
    const struct images_tag_request *want = in;
    struct image_info source;
    const struct map none = { 0 };

    if (image_find(write_db(write), write_namespace(write), want->source, write_arena(write), &source, err) < 0)
        return -1;
    return point(write, write_ctx(write), source.target, &none, source.id, source.has_size ? source.size : 0, out, err);
}

static int on_tag(void *self, struct request *request, struct error *err)
{
    const struct images_tag_request *in = request_body(request);
    char *name = full_name(request, in->name, err);

    (void)self;
    return name != NULL ? request_write(request, tag, NULL, name, err) : -1;
}

static int label(struct write *write, const void *in, void *out, struct error *err)
{
    const struct images_label_request *want = in;
    struct image_info *info = out;

    if (image_find(write_db(write), write_namespace(write), want->name, write_arena(write), info, err) < 0)
        return -1;
    info->labels = labels_merge(&info->labels, &want->labels, write_arena(write));
    info->updated = clock_now();
    return put_row(write, info, "/images/update", err);
}

static int on_label(void *self, struct request *request, struct error *err)
{
    const struct images_label_request *in = request_body(request);

    (void)self;
    return labels_check(&in->labels, err) < 0 ? -1 : request_write(request, label, NULL, NULL, err);
}

/* An image whose last name goes is refused while containers were made from it. */
static int is_in_use(struct write *write, const struct image_info *info, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(write_db(write), &query, err,
                 "SELECT id FROM containers_container WHERE namespace = ?1 AND image = ?2 LIMIT 1", "ss",
                 write_namespace(write), info->name) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION, "image %s is used by container %.12s", info->name, query_text(&query, 0));
    return error_hint(err, "remove the container first, or force");
}

static int remove_row(struct write *write, const void *in, void *out, struct error *err)
{
    const struct images_remove_request *want = in;
    struct images_remove_reply *reply = out;
    struct image_info info;

    if (image_find(write_db(write), write_namespace(write), want->name, write_arena(write), &info, err) < 0 ||
        (!(want->has_force && want->force) && is_in_use(write, &info, err) < 0) ||
        db_run(write_db(write), err, "DELETE FROM images_image WHERE namespace = ? AND name = ?", "ss",
               write_namespace(write), info.name) < 0 ||
        edges_drop(write, "image", "", info.name, err) < 0)
        return -1;
    *reply = (struct images_remove_reply){ .name = info.name, .digest = info.target->digest };
    if (!(want->has_sync && want->sync))
        loosen(write); /* else the job below asks the collector */
    return emit(write, "/images/delete", info.name, err, "digest", info.target->digest, NULL);
}

/* Answered when what only this name kept is gone. */
static int remove_job(struct job *job, const void *in, void *out, struct error *err)
{
    if (job_write(job, remove_row, in, out, NULL, err) < 0)
        return -1;
    return collect_job(job, NULL, NULL, err);
}

static int on_remove(void *self, struct request *request, struct error *err)
{
    const struct images_remove_request *want = request_body(request);

    (void)self;
    if (want->has_sync && want->sync)
        return request_run(request, remove_job, err);
    return request_write(request, remove_row, NULL, NULL, err);
}

/* ---- what has lapsed ------------------------------------------------------------------ */

static int sweep_one(struct write *write, const char *name, struct sweep_reply *out, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found = db_query(write_db(write), &query, err, "SELECT digest FROM images_image WHERE namespace = ? AND name = ?",
                         "ss", write_namespace(write), name) < 0 ? -1 : query_next(&query, err);
    const char *digest = found == 1 ? query_str(&query, 0, write_arena(write)) : NULL;
    int kept = found == 1 ? is_reachable(write_db(write), write_namespace(write), "image", "", name, err) : found;

    if (found != 1 || kept != 0)
        return found < 0 || kept < 0 ? -1 : 0;
    query_done(&query);
    if (db_run(write_db(write), err, "DELETE FROM images_image WHERE namespace = ? AND name = ?", "ss",
               write_namespace(write), name) < 0 ||
        edges_drop(write, "image", "", name, err) < 0)
        return -1;
    out->removed++;
    return emit(write, "/images/delete", name, err, "digest", digest, NULL);
}

static int sweep(struct write *write, const void *in, void *out, struct error *err)
{
    const struct sweep_request *want = in;
    const struct resource *resources = want->resources.items;

    for (size_t i = 0; i < want->resources.count; i++)
        if (sweep_one(write, resources[i].key, out, err) < 0)
            return -1;
    return 0;
}

static int on_sweep(void *self, struct request *request, struct error *err)
{
    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "images.sweep is for the daemon itself");
    return request_write(request, sweep, NULL, NULL, err);
}

/* ---- life ----------------------------------------------------------------------------- */

static int images_open(void *self, struct loop *loop, struct error *err)
{
    struct images *images = self;

    (void)loop;
    return db_open(images->config->database, true, &images->db, err);
}

static void images_close(void *self)
{
    struct images *images = self;

    claims_free(images);
    health_free(images);
    recent_free(&images->recent);
    db_close(&images->db);
}

static const struct route routes[] = {
    { &op_images_get, on_get },           { &op_images_list, on_list },
    { &op_images_put, on_put },           { &op_images_tag, on_tag },
    { &op_images_label, on_label },       { &op_images_remove, on_remove },
    { &op_images_login, on_images_login },
    { &op_images_push, on_images_push },
    { &op_images_copy, on_images_copy },
    { &op_images_tags, on_images_tags },
    { &op_images_manifest, on_images_manifest },
    { &op_images_forget, on_images_forget },
    { &op_images_referrers, on_images_referrers },
    { &op_images_pull, on_images_pull },  { &op_images_inspect, on_images_inspect },
    { &op_images_unpack, on_images_unpack }, { &op_images_claim, on_images_claim },
    { &op_images_release, on_images_release }, { &op_images_adopt, on_images_adopt },
    { &op_images_hosts, on_images_hosts },
    { &op_images_host_enter, on_images_host_enter },
    { &op_images_host_leave, on_images_host_leave },
    { &op_images_refetch, on_images_refetch }, { &op_images_rebuild, on_images_rebuild },
    { &op_images_host_health, on_images_host_health }, { &op_images_sweep, on_sweep },
    { 0 },
};

const struct actor images_actor = { "images", routes, images_open, images_close };
