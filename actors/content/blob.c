/* Rows of blobs: adding, labelling, removing.  Removing is row first, then file. */
#include "actors/base/edge.h"
#include "actors/base/log.h"
#include "actors/base/reach.h"
#include "actors/base/share.h"
#include "actors/content/store.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

/* ---- in writes ------------------------------------------------------------------------ */

int blob_find(struct write *write, const char *namespace, const char *digest, uint64_t *size,
              struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(write_db(write), &query, err,
                 "SELECT size FROM content_blob WHERE digest = ?1 AND (?2 IS NULL OR namespace = "
                 "?2) LIMIT 1",
                 "ss", digest, namespace) < 0)
        return -1;
    found = query_next(&query, err);
    if (found == 1)
        *size = (uint64_t)query_int(&query, 0);
    return found;
}

int blob_find_lent(struct write *write, bool isolated, const char *digest, uint64_t *size,
                   struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(write_db(write), &query, err,
                 "SELECT size FROM content_blob WHERE digest = ?1 AND " IS_LENT("namespace", "?2")
                 " LIMIT 1",
                 "si", digest, (int64_t)isolated) < 0)
        return -1;
    found = query_next(&query, err);
    if (found == 1)
        *size = (uint64_t)query_int(&query, 0);
    return found;
}

int blob_add(struct write *write, const char *digest, uint64_t size, const struct map *labels,
             struct error *err)
{
    struct buffer packed = db_labels(labels);
    int64_t now = clock_now();
    char bytes[24];
    int result =
        db_run(write_db(write), err,
               "INSERT INTO content_blob (namespace, digest, size, labels, root, created, updated)"
               " VALUES (?, ?, ?, ?, ?, ?, ?)",
               "ssubiii", write_namespace(write), digest, size, packed.data, packed.size,
               (int64_t)(map_get(labels, LABEL_GC_ROOT) != NULL), now, now);

    buffer_free(&packed);
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)size);
    if (result < 0 || edges_write(write, "content", "", digest, labels, err) < 0 ||
        hold(write, "content", digest, NULL, err) < 0)
        return -1;
    return emit(write, "/content/create", digest, err, "size", bytes, NULL);
}

/* ---- labels ---------------------------------------------------------------------------- */

static int label_write(struct write *write, const void *in_record, void *out_record,
                       struct error *err)
{
    const struct content_label_request *in = in_record;
    struct content_info *out = out_record;
    CLEANUP(query_done) struct query row = { 0 };
    struct buffer packed;
    struct map old;
    int found;

    if (db_query(
            write_db(write), &row, err,
            "SELECT size, labels, created FROM content_blob WHERE namespace = ? AND digest = ?",
            "ss", write_namespace(write), in->digest) < 0 ||
        (found = query_next(&row, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "content %s: there is none in namespace %s",
                         in->digest, write_namespace(write));
    old = query_labels(&row, 1, write_arena(write));
    *out = (struct content_info){
        .digest = in->digest,
        .size = (uint64_t)query_int(&row, 0),
        .labels = labels_merge(&old, &in->labels, write_arena(write)),
        SET(created, query_int(&row, 2)),
        SET(updated, clock_now()),
    };
    packed = db_labels(&out->labels);
    found = db_run(write_db(write), err,
                   "UPDATE content_blob SET labels = ?, root = ?, updated = ? WHERE namespace = ? "
                   "AND digest = ?",
                   "biiss", packed.data, packed.size,
                   (int64_t)(map_get(&out->labels, LABEL_GC_ROOT) != NULL), out->updated,
                   write_namespace(write), in->digest);
    buffer_free(&packed);
    loosen(write);
    return found < 0 ? -1 : edges_write(write, "content", "", in->digest, &out->labels, err);
}

int on_content_label(void *self, struct request *request, struct error *err)
{
    const struct content_label_request *in = request_body(request);

    (void)self;
    if (digest_require(in->digest, err) < 0 || labels_check(&in->labels, err) < 0)
        return -1;
    return request_write(request, label_write, NULL, NULL, err);
}

/* ---- removing ---------------------------------------------------------------------------- */

int blob_is_kept(struct write *write, const char *digest, struct error *err)
{
    return is_reachable(write_db(write), write_namespace(write), "content", "", digest, err);
}

/* The row, its edges, and the event; NOT_FOUND.  `was_last`: no namespace has it any more. */
int blob_forget(struct write *write, const char *digest, bool *was_last, struct error *err)
{
    uint64_t size;
    int others;

    if (db_run(write_db(write), err, "DELETE FROM content_blob WHERE namespace = ? AND digest = ?",
               "ss", write_namespace(write), digest) < 0)
        return -1;
    if (db_changes(write_db(write)) == 0)
        return error_set(err, ERROR_NOT_FOUND, "content %s: there is none in namespace %s", digest,
                         write_namespace(write));
    if (edges_drop(write, "content", "", digest, err) < 0 ||
        (others = blob_find(write, NULL, digest, &size, err)) < 0)
        return -1;
    *was_last = others == 0;
    return emit(write, "/content/delete", digest, err, NULL);
}

static int remove_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct content_remove_request *in = in_record;
    int kept = 0;

    (void)out;
    if (in->has_unreferenced && in->unreferenced)
        kept = blob_is_kept(write, in->digest, err);
    if (kept == 1)
        return error_set(err, ERROR_FAILED_PRECONDITION, "content %s: is referenced", in->digest);
    if (kept < 0 || blob_forget(write, in->digest, write_ctx(write), err) < 0)
        return -1;
    if (!in->has_unreferenced || !in->unreferenced) /* the collector has seen what it held */
        loosen(write);
    return 0;
}

/*
 * No namespace knew it when the row went, and without a row there is only one way to come
 * back: a commit.  One that runs now brings its own file and its own row.
 */
int blob_away(void *self, const char *digest, struct error *err)
{
    struct content *content = self;
    char path[PATH_SIZE];
    int known = blob_is_known(content, digest);

    if (known < 0)
        return error_set(err, ERROR_UNAVAILABLE, "content %s: its rows cannot be read", digest);
    if (known == 1 || is_being_committed(content, digest))
        return 0;
    return blob_path(content, digest, path, err) < 0 ? -1
                                                     : trash_put(&content->trash, path, err);
}

static int remove_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    struct content *content = self;
    const struct content_remove_request *in = request_body(request);
    struct error failed = { 0 };

    (void)out;
    if (err != NULL || !*(bool *)ctx || blob_away(content, in->digest, &failed) == 0)
        return 0;
    log_warn("content", "remove %s: %s; it is tried again", in->digest, failed.text);
    trash_later(&content->trash, in->digest, blob_away);
    return 0;
}

int on_content_remove(void *self, struct request *request, struct error *err)
{
    const struct content_remove_request *in = request_body(request);
    bool *was_last = arena_alloc(request_arena(request), sizeof(*was_last));

    (void)self;
    if (digest_require(in->digest, err) < 0)
        return -1;
    return request_write(request, remove_write, remove_after, was_last, err);
}
