/*
 * Ingests: places to write a blob.  The happy path is lock -> row -> file; what a blob
 * needs that is here already is a row, and nobody writes.  A crash leaves at worst an
 * ingest with its row, which the next attempt takes up again.
 */
#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/content/store.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"

struct plan {
    struct lock *lock; /* ours; NULL: somebody else writes */
    bool isolated;
    char path[PATH_SIZE];
};

static int refuse_locked(const char *ref, struct error *err)
{
    error_set(err, ERROR_UNAVAILABLE, "ingest %.200s: somebody else writes it now", ref);
    error_hint(err, "wait for that writer, or give it up with content.abort");
    err->retry_ms = 1000;
    return -1;
}

int ingest_forget(struct write *write, const char *ref, struct error *err)
{
    return db_run(write_db(write), err,
                  "DELETE FROM content_ingest WHERE namespace = ? AND ref = ?", "ss",
                  write_namespace(write), ref);
}

/* The blob is here: in this namespace, or in another one that lends it, and then in this one, too. */
static int take_present(struct write *write, bool isolated, const char *digest, bool *present,
                        struct error *err)
{
    const struct map none = { 0 };
    uint64_t size;
    int found = blob_find(write, write_namespace(write), digest, &size, err);

    if (found == 1)
        *present = true;
    if (found != 0)
        return found < 0 ? -1 : hold(write, "content", digest, NULL, err);
    found = blob_find_lent(write, isolated, digest, &size, err);
    *present = found == 1;
    return found == 1 ? blob_add(write, digest, size, &none, err) : found;
}

/* What an earlier attempt said about the ref has to fit. */
static int compare_with_row(struct query *row, const struct content_ingest_request *in,
                            struct error *err)
{
    const char *digest = query_text(row, 0);

    if (digest != NULL && in->digest != NULL && !streq(digest, in->digest)) {
        error_set(err, ERROR_FAILED_PRECONDITION, "ingest %.200s: was begun for %s, not %s",
                  in->ref, digest, in->digest);
        return error_hint(err, "give it up with content.abort first");
    }
    if (!query_is_null(row, 1) && in->has_size && (uint64_t)query_int(row, 1) != in->size) {
        error_set(err, ERROR_FAILED_PRECONDITION,
                  "ingest %.200s: was begun for %lld bytes, not %llu", in->ref,
                  (long long)query_int(row, 1), (unsigned long long)in->size);
        return error_hint(err, "give it up with content.abort first");
    }
    return 0;
}

static int row_take(struct write *write, const struct content_ingest_request *in,
                    const struct plan *plan, struct content_ingest_reply *out, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(
            write_db(write), &row, err,
            "SELECT digest, total, started FROM content_ingest WHERE namespace = ? AND ref = ?",
            "ss", write_namespace(write), in->ref) < 0 ||
        (found = query_next(&row, err)) < 0 || (found == 1 && compare_with_row(&row, in, err) < 0))
        return -1;
    out->started = found == 1 ? query_int(&row, 2) : clock_now();
    out->has_started = true;
    return db_run(
        write_db(write), err,
        "INSERT INTO content_ingest (namespace, ref, file, digest, total, started)"
        " VALUES (?1, ?2, ?3, ?4, iif(?6, ?5, NULL), ?7)"
        " ON CONFLICT (namespace, ref) DO UPDATE SET"
        " digest = coalesce(digest, excluded.digest), total = coalesce(total, excluded.total)",
        "ssssuii", write_namespace(write), in->ref, strrchr(plan->path, '/') + 1, in->digest,
        in->size, (int64_t)in->has_size, out->started);
}

static int ingest_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct content_ingest_request *in = in_record;
    struct content_ingest_reply *out = out_record;
    const struct plan *plan = write_ctx(write);

    if (in->digest != NULL && !(in->has_anew && in->anew) &&
        take_present(write, plan->isolated, in->digest, &out->present, err) < 0)
        return -1;
    if (out->present)
        return plan->lock != NULL ? ingest_forget(write, in->ref, err) : 0;
    if (plan->lock == NULL)
        return refuse_locked(in->ref, err);
    if (row_take(write, in, plan, out, err) < 0)
        return -1;
    return hold(write, "ingest", in->ref, NULL, err);
}

static int file_take(const char *path, struct content_ingest_reply *out, struct error *err)
{
    CLEANUP(file_close) int file = -1;
    struct fs_info info = { 0 };

    if (fs_exists(path) && fs_stat(path, &info, err) < 0)
        return -1;
    if (file_open_append(path, info.size, &file, err) < 0)
        return -1;
    out->path = path;
    out->offset = info.size;
    out->has_offset = true;
    return 0;
}

static int ingest_after(void *self, struct request *request, void *ctx, void *out_record,
                        struct error *err)
{
    struct content *content = self;
    struct content_ingest_reply *out = out_record;
    struct plan *plan = ctx;
    struct error failed = { 0 };

    if (plan->lock != NULL)
        plan->lock->begins = false;
    if (err == NULL && !out->present) {
        if (file_take(plan->path, out, &failed) == 0)
            return 0;
        lock_drop_ref(content, plan->lock);
        request_fail(request, &failed);
        return 1;
    }
    if (err == NULL && plan->lock != NULL && fs_remove(plan->path, &failed) < 0)
        log_warn("content", "%s", failed.text);
    if (plan->lock != NULL)
        lock_drop_ref(content, plan->lock);
    return 0;
}

/* Those of jobs are nobody else's: they go with the daemon. */
static int ref_is_ours(struct request *request, const char *ref, struct error *err)
{
    if (strncmp(ref, JOB_INGEST, strlen(JOB_INGEST)) != 0 || request_is_inside(request))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "ingest %.40s: those with " JOB_INGEST " are the daemon's own", ref);
}

int on_content_ingest(void *self, struct request *request, struct error *err)
{
    const struct content_ingest_request *in = request_body(request);
    struct plan *plan = arena_alloc(request_arena(request), sizeof(*plan));

    if (in->has_anew && in->anew && !request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "content.ingest: anew is said inside the daemon only");
    if (ref_check(in->ref, err) < 0 || ref_is_ours(request, in->ref, err) < 0 ||
        (in->digest != NULL && digest_require(in->digest, err) < 0) ||
        ingest_path(self, request_namespace(request), in->ref, plan->path, err) < 0)
        return -1;
    plan->isolated = ((const struct content *)self)->isolated;
    plan->lock = lock_acquire(self, request_namespace(request), in->ref, request_lease(request));
    return request_write(request, ingest_write, ingest_after, plan, err);
}

/* ---- giving up ----------------------------------------------------------------------- */

static int abort_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct content_abort_request *in = in_record;

    (void)out;
    if (ingest_forget(write, in->ref, err) < 0)
        return -1;
    if (db_changes(write_db(write)) == 0)
        return error_set(err, ERROR_NOT_FOUND, "ingest %.200s: there is none", in->ref);
    return 0;
}

int ingest_away(void *self, const char *path, struct error *err)
{
    struct content *content = self;

    return ingest_is_known(content, path) == 0 ? trash_put(&content->trash, path, err) : 0;
}

static int abort_after(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    struct content *content = self;
    const struct content_abort_request *in = request_body(request);
    struct lock *lock = lock_find(content, request_namespace(request), in->ref);
    struct error failed = { 0 };

    (void)out;
    if (err != NULL)
        return 0;
    if (lock != NULL && lock->digest != NULL)
        return 0; /* its commit has begun meanwhile, and will not find the row */
    if (lock != NULL)
        lock_drop_ref(content, lock);
    if (ingest_away(content, ctx, &failed) == 0)
        return 0;
    log_warn("content", "abort %s: %s; it is tried again", in->ref, failed.text);
    trash_later(&content->trash, ctx, ingest_away);
    return 0;
}

int on_content_abort(void *self, struct request *request, struct error *err)
{
    struct content *content = self;
    const struct content_abort_request *in = request_body(request);
    struct lock *lock = lock_find(content, request_namespace(request), in->ref);
    char *path = arena_alloc(request_arena(request), PATH_SIZE);
    const struct nothing nothing = { 0 };

    if (ref_check(in->ref, err) < 0 ||
        ingest_path(content, request_namespace(request), in->ref, path, err) < 0)
        return -1;
    if (lock != NULL && lock->digest != NULL)
        return error_set(err, ERROR_UNAVAILABLE, "ingest %.200s: is being committed", in->ref);
    if (!in->has_keep || !in->keep)
        return request_write(request, abort_write, abort_after, path, err);
    if (lock != NULL)
        lock_drop_ref(content, lock);
    return request_reply(request, &nothing);
}
