/*
 * Refetch: a blob whose record is here and whose file is missing or wrong comes once more from where it came.
 *
 * Which that was is remembered by its labels (containerd.io/distribution.source.HOST = REPOSITORY,...), else it is tried
 * where the images of its namespaces come from.  It is written as any other and takes the old file's place when its
 * digest was found right.
 */
#include "actors/base/db.h"
#include "actors/base/lease.h"
#include "actors/images/claim.h"
#include "actors/images/images.h"
#include "actors/images/registry.h"
#include "actors/images/supply.h"
#include "actors/images/variant.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define SOURCE      "containerd.io/distribution.source."
#define SOURCES_MAX 64

struct refetch {
    struct job *job;
    const char *digest;
    uint64_t size;
    struct {
        const char *namespace, *name; /* HOST/REPOSITORY */
    } sources[SOURCES_MAX];
    size_t count;
    char path[PATH_SIZE]; /* of the ingest */
    int file;
    uint64_t at;
    struct digester hash;
};

static void refetch_drop(struct refetch *self)
{
    digester_drop(&self->hash);
    file_close(&self->file);
}

static void db_drop(struct db **db)
{
    db_close(db);
}

/* ---- where it may be -------------------------------------------------------------------------- */

static void add_source(struct refetch *self, const char *namespace, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->sources[i].name, name) == 0)
            return;
    if (self->count == SOURCES_MAX)
        return;
    self->sources[self->count].namespace = arena_str(job_arena(self->job), namespace);
    self->sources[self->count++].name = arena_str(job_arena(self->job), name);
}

static void add_labelled(struct refetch *self, const char *namespace, const struct map_entry *label)
{
    const char *host = label->key + strlen(SOURCE), *at = label->value;

    if (strncmp(label->key, SOURCE, strlen(SOURCE)) != 0)
        return;
    for (size_t length; *at != '\0'; at += length + (at[length] == ',')) {
        length = strcspn(at, ",");
        add_source(self, namespace, arena_printf(job_arena(self->job), "%s/%.*s", host, (int)length, at));
    }
}

static int add_from_labels(struct refetch *self, struct db *db, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    bool known = false;
    int more;

    if (db_query(db, &row, err, "SELECT namespace, size, labels FROM content_blob WHERE digest = ?", "s",
                 self->digest) < 0)
        return -1;
    for (; (more = query_next(&row, err)) == 1; known = true) {
        struct map labels = query_labels(&row, 2, job_arena(self->job));

        self->size = (uint64_t)query_int(&row, 1);
        for (size_t i = 0; i < labels.count; i++)
            add_labelled(self, query_text(&row, 0), &labels.entries[i]);
    }
    if (more == 0 && !known)
        return error_set(err, ERROR_NOT_FOUND, "content %s: no record names it", self->digest);
    return more;
}

static int add_from_images(struct refetch *self, struct db *db, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct reference reference;
    struct error ignored;
    int more;

    if (db_query(db, &row, err,
                 "SELECT namespace, name FROM images_image WHERE namespace IN"
                 " (SELECT namespace FROM content_blob WHERE digest = ?)",
                 "s", self->digest) < 0)
        return -1;
    while ((more = query_next(&row, err)) == 1)
        if (reference_parse(query_text(&row, 1), &reference, &ignored) == 0)
            add_source(self, query_text(&row, 0),
                       arena_printf(job_arena(self->job), "%s/%s", reference.host, reference.repository));
    return more;
}

static int find_sources(struct refetch *self, struct error *err)
{
    const struct images *images = job_self(self->job);
    CLEANUP(db_drop) struct db *db = NULL;

    if (db_open(images->config->database, true, &db, err) < 0 || add_from_labels(self, db, err) < 0)
        return -1;
    return add_from_images(self, db, err);
}

/* ---- its bytes ------------------------------------------------------------------------------------ */

static int begin(struct refetch *self, struct error *err)
{
    file_close(&self->file);
    digester_drop(&self->hash);
    self->at = 0;
    if (digester_open(&self->hash, self->digest, err) < 0)
        return -1;
    return file_open_append(self->path, 0, &self->file, err);
}

static int take_bytes(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct refetch *self = ctx;

    if (at != self->at && (at != 0 || begin(self, err) < 0))
        return at != 0 ? error_set(err, ERROR_INTERNAL, "bytes from %llu are missing", (unsigned long long)self->at) : -1;
    if (file_write(self->file, data, size, err) < 0)
        return -1;
    digester_add(&self->hash, data, size);
    self->at += size;
    return 0;
}

/* A blob; or, where there is no such one, a manifest. */
static int take_from(struct refetch *self, struct supply *supply, struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    const struct registry_blob want = { .digest = self->digest, .size = self->size, .sink = take_bytes, .ctx = self };
    struct supply_trip trip = { 0 };
    char digest[DIGEST_TEXT_SIZE];

    if (begin(self, err) < 0)
        return -1;
    if (supply_blob(supply, self->job, &want, &trip, err) < 0 &&
        (err->code != ERROR_NOT_FOUND || begin(self, err) < 0 ||
         supply_manifest(supply, self->job, self->digest, self->size, &document, err) < 0 ||
         take_bytes(self, 0, document.bytes, document.size, err) < 0))
        return -1;
    if (digester_finish(&self->hash, digest, err) < 0)
        return -1;
    file_close(&self->file);
    return strcmp(digest, self->digest) == 0 ? 0 : error_set(err, ERROR_DATA_LOSS, "what came hashes to %.19s", digest);
}

static int ask_source(struct refetch *self, const char *name, struct error *err)
{
    const struct images *images = job_self(self->job);
    const struct registry_user nobody = { 0 };
    CLEANUP(supply_close) struct supply *supply = NULL;
    struct reference reference;

    if (reference_parse(arena_printf(job_arena(self->job), "%s@%s", name, self->digest), &reference, err) < 0 ||
        supply_open(&supply, self->job, images->config, &reference, &nobody, err) < 0 || take_from(self, supply, err) < 0)
        return error_wrap(err, "%.150s", name);
    return 0;
}

static int publish(struct refetch *self, struct error *err)
{
    struct content_commit_request commit = {
        .ref = self->digest, .digest = self->digest, SET(size, self->size), SET(hashed, true)
    };

    /* its row is there, and its file is the new one from here on */
    return call(self->job, &op_content_commit, &commit, NULL, err) < 0 && err->code != ERROR_ALREADY_EXISTS ? -1 : 0;
}

static int take_source(struct refetch *self, size_t i, struct error *err)
{
    struct content_ingest_request ingest = {
        .ref = self->digest, .digest = self->digest, SET(size, self->size), SET(anew, true)
    };
    struct content_abort_request abort = { .ref = self->digest };
    struct content_ingest_reply place;

    job_enter(self->job, self->sources[i].namespace);
    if (call(self->job, &op_content_ingest, &ingest, &place, err) == 0 &&
        path_format(self->path, err, "%s", place.path) == 0 && ask_source(self, self->sources[i].name, err) == 0 &&
        publish(self, err) == 0)
        return 0;
    call_finally(self->job, &op_content_abort, &abort);
    return -1;
}

static int refetch(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_refetch_request *want = in;
    struct images_refetch_reply *reply = out;
    CLEANUP(claim_drop) struct claim_held claim = { .job = NULL };
    CLEANUP(refetch_drop) struct refetch self = { .job = job, .digest = want->digest, .file = -1 };

    if (claim_take(&claim, job, err, "blob %s", want->digest) < 0 || find_sources(&self, err) < 0)
        return -1;
    if (self.count == 0)
        return error_set(err, ERROR_NOT_FOUND, "content %.19s: nothing says where it came from", want->digest);
    for (size_t i = 0; i < self.count; i++) {
        if (take_source(&self, i, err) == 0) {
            reply->source = self.sources[i].name;
            return 0;
        }
        if (job_check(job, err) < 0)
            return -1;
    }
    return -1; /* what the last one has said */
}

int on_images_refetch(void *self, struct request *request, struct error *err)
{
    const struct images_refetch_request *in = request_body(request);

    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "images.refetch is for the daemon itself");
    if (digest_require(in->digest, err) < 0)
        return -1;
    return request_run(request, refetch, err);
}
