/* What is asked without changing anything: rows from the read-only connection, bytes by a job. */
#include "actors/base/job.h"
#include "actors/base/page.h"
#include "actors/content/store.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"

#define PIECE (128u << 10)

/* Columns digest, size, labels, created, updated. */
static int info_read(const struct content *content, struct query *row, struct arena *arena,
                     struct content_info *info, struct error *err)
{
    char path[PATH_SIZE];

    *info = (struct content_info){
        .digest = query_str(row, 0, arena),
        .size = (uint64_t)query_int(row, 1),
        .labels = query_labels(row, 2, arena),
        SET(created, query_int(row, 3)),
        SET(updated, query_int(row, 4)),
    };
    if (blob_path(content, info->digest, path, err) < 0)
        return -1;
    info->path = arena_str(arena, path);
    return 0;
}

int blob_is_known(struct content *content, const char *digest)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    if (db_query(content->db, &query, &err, "SELECT 1 FROM content_blob WHERE digest = ? LIMIT 1",
                 "s", digest) < 0)
        return -1;
    return query_next(&query, &err);
}

int ingest_is_known(struct content *content, const char *path)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    if (db_query(content->db, &query, &err, "SELECT 1 FROM content_ingest WHERE file = ?", "s",
                 strrchr(path, '/') + 1) < 0)
        return -1;
    return query_next(&query, &err);
}

static int blob_info(struct content *content, struct request *request, const char *digest,
                     struct content_info *info, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (digest_require(digest, err) < 0 ||
        db_query(content->db, &row, err,
                 "SELECT digest, size, labels, created, updated FROM content_blob WHERE namespace "
                 "= ? AND digest = ?",
                 "ss", request_namespace(request), digest) < 0 ||
        (found = query_next(&row, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "content %s: there is none in namespace %s", digest,
                         request_namespace(request));
    return info_read(content, &row, request_arena(request), info, err);
}

int on_content_stat(void *self, struct request *request, struct error *err)
{
    const struct content_stat_request *in = request_body(request);
    struct content_info info;

    if (blob_info(self, request, in->digest, &info, err) < 0)
        return -1;
    return request_reply(request, &info);
}

int on_content_list(void *self, struct request *request, struct error *err)
{
    struct content *content = self;
    const struct page_request *in = request_body(request);
    CLEANUP(query_done) struct query row = { 0 };
    struct content_list_reply out = { 0 };
    struct page page;
    int found;

    page_open(&page, request_arena(request), sizeof(struct content_info), in->limit);
    if (page_filter(&page, &in->filters, content_info_record(), err) < 0)
        return -1;
    if (db_query(content->db, &row, err,
                 "SELECT digest, size, labels, created, updated FROM content_blob"
                 " WHERE namespace = ? AND digest > ? ORDER BY digest",
                 "ss", request_namespace(request), in->after ? in->after : "") < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1 && !page_is_full(&page)) {
        struct content_info info;

        if (info_read(content, &row, request_arena(request), &info, err) < 0)
            return -1;
        page_add(&page, &info, &info.labels);
    }
    if (found < 0)
        return -1;
    query_done(&row); /* answering ends the request, and its arena */
    out = (struct content_list_reply){ .blobs = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}

static int ingest_info(struct content *content, struct request *request, struct query *row,
                       struct content_ingest_info *info, struct error *err)
{
    const char *namespace = request_namespace(request);
    struct arena *arena = request_arena(request);
    struct fs_info file = { 0 };
    char path[PATH_SIZE];
    const struct lock *lock;

    *info = (struct content_ingest_info){
        .ref = query_str(row, 0, arena),
        .digest = query_str(row, 1, arena),
        .total = (uint64_t)query_int(row, 2),
        .has_total = !query_is_null(row, 2),
        .started = query_int(row, 3),
    };
    if (ingest_path(content, namespace, info->ref, path, err) < 0)
        return -1;
    if (fs_exists(path) && fs_stat(path, &file, err) < 0)
        return -1;
    lock = lock_find(content, namespace, info->ref);
    info->offset = file.size;
    info->updated = file.changed != 0 ? file.changed : info->started;
    info->busy = lock != NULL && lock_is_held(content, lock);
    return 0;
}

int on_content_ingests(void *self, struct request *request, struct error *err)
{
    struct content *content = self;
    const struct page_request *in = request_body(request);
    CLEANUP(query_done) struct query row = { 0 };
    struct content_ingests_reply out = { 0 };
    struct page page;
    int found;

    page_open(&page, request_arena(request), sizeof(struct content_ingest_info), in->limit);
    if (page_filter(&page, &in->filters, content_ingest_info_record(), err) < 0)
        return -1;
    if (db_query(content->db, &row, err,
                 "SELECT ref, digest, total, started FROM content_ingest"
                 " WHERE namespace = ? AND ref > ? ORDER BY ref",
                 "ss", request_namespace(request), in->after ? in->after : "") < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1 && !page_is_full(&page)) {
        struct content_ingest_info info;

        if (ingest_info(content, request, &row, &info, err) < 0)
            return -1;
        page_add(&page, &info, NULL);
    }
    if (found < 0)
        return -1;
    query_done(&row);
    out = (struct content_ingests_reply){ .ingests = page.list, SET(more, page.more) };
    return request_reply(request, &out);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static int read_job(struct job *job, const void *in_record, void *out_record, struct error *err)
{
    const struct content_read_request *in = in_record;
    struct content_read_reply *out = out_record;
    uint64_t at = in->has_offset ? in->offset : 0, left = in->has_size ? in->size : UINT64_MAX;
    char *piece = arena_alloc(job_arena(job), PIECE);
    CLEANUP(file_close) int file = -1;
    char path[PATH_SIZE];
    struct fs_info info;

    if (blob_path(job_self(job), in->digest, path, err) < 0 || fs_stat(path, &info, err) < 0 ||
        file_open_read(path, &file, err) < 0)
        return error_wrap(err, "content %s", in->digest);
    if (at > info.size)
        return error_set(err, ERROR_OUT_OF_RANGE, "content %s: has %llu bytes, none at %llu",
                         in->digest, (unsigned long long)info.size, (unsigned long long)at);
    for (int64_t got; left > 0;
         at += (uint64_t)got, left -= (uint64_t)got, out->size += (uint64_t)got) {
        size_t room = left < PIECE ? (size_t)left : PIECE;

        while (job_credit(job) == 0)
            if (job_wait(job, -1, JOB_CREDIT, -1, err) < 0)
                return -1;
        if (room > job_credit(job))
            room = (size_t)job_credit(job);
        got = file_read_at(file, piece, room, at, err);
        if (got < 0)
            return error_wrap(err, "content %s", in->digest);
        if (got == 0)
            break;
        job_send(job, "content", piece, (size_t)got, false);
        if (job_check(job, err) < 0)
            return -1;
    }
    job_send(job, "content", NULL, 0, true);
    return 0;
}

int on_content_read(void *self, struct request *request, struct error *err)
{
    const struct content_read_request *in = request_body(request);
    struct content_info info;

    if (blob_info(self, request, in->digest, &info, err) < 0)
        return -1;
    return request_run(request, read_job, err);
}
