/*
 * Commit: an ingest becomes a blob.
 *
 * The happy path is measure -> hash -> sync -> rename -> sync the folder -> row.  Until
 * the rename a failure leaves the ingest as it was, but for one: bytes that hash to
 * something else are worth nothing and go.  A row that fails after the rename gets its
 * file taken back; after a crash the next start removes it.
 */
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/content/store.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define HASH_PIECE (256u << 10)

struct commit {
    uint64_t size;
    bool was_there; /* the namespace has the blob already */
};

static int commit_write(struct write *write, const void *in_record, void *out_record,
                        struct error *err)
{
    const struct content_commit_request *in = in_record;
    struct commit *commit = write_ctx(write);
    uint64_t size;
    int found = blob_find(write, write_namespace(write), in->digest, &size, err);

    (void)out_record;
    if (found < 0 || ingest_forget(write, in->ref, err) < 0)
        return -1;
    if (found == 0 && db_changes(write_db(write)) == 0)
        return error_set(err, ERROR_NOT_FOUND, "ingest %.200s: there is none", in->ref);
    commit->was_there = found == 1;
    if (commit->was_there)
        return hold(write, "content", in->digest, NULL, err);
    return blob_add(write, in->digest, commit->size, &in->labels, err);
}

static int discard_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct content_commit_request *in = in_record;

    (void)out;
    return ingest_forget(write, in->ref, err);
}

static int discard(struct job *job, const struct content_commit_request *in, const char *path)
{
    struct error failed = { 0 };

    if (job_write(job, discard_write, in, NULL, NULL, &failed) < 0 || fs_remove(path, &failed) < 0)
        log_warn("content", "discard %s: %s", in->ref, failed.text);
    return -1;
}

static int hash_file(struct job *job, const struct content_commit_request *in, int file,
                     uint64_t size, char digest[DIGEST_TEXT_SIZE], struct error *err)
{
    CLEANUP(digester_drop) struct digester digester = { 0 };
    char *piece = arena_alloc(job_arena(job), HASH_PIECE);
    uint64_t done = 0;
    int64_t got;

    if (digester_open(&digester, in->digest, err) < 0)
        return -1;
    while ((got = file_read(file, piece, HASH_PIECE, err)) > 0) {
        const struct progress progress = { "commit", in->ref, SET(done, done), SET(total, size),
                                           "bytes" };

        digester_add(&digester, piece, (size_t)got);
        done += (uint64_t)got;
        job_report(job, &progress);
        if (job_check(job, err) < 0)
            return -1;
    }
    if (got < 0)
        return error_wrap(err, "ingest %.200s", in->ref);
    return digester_finish(&digester, digest, err);
}

/* -1 also when it is not what was expected; then what can never become it goes. */
static int verify(struct job *job, const struct content_commit_request *in, const char *path,
                  uint64_t size, struct error *err)
{
    CLEANUP(file_close) int file = -1;
    char digest[DIGEST_TEXT_SIZE];

    if (in->has_size && size < in->size)
        return error_set(err, ERROR_FAILED_PRECONDITION, "ingest %.200s: has %llu of %llu bytes",
                         in->ref, (unsigned long long)size, (unsigned long long)in->size);
    if (in->has_size && size > in->size) {
        error_set(err, ERROR_FAILED_PRECONDITION,
                  "ingest %.200s: has %llu bytes, %llu were expected", in->ref,
                  (unsigned long long)size, (unsigned long long)in->size);
        return discard(job, in, path);
    }
    if (in->has_hashed && in->hashed)
        return 0;
    if (file_open_read(path, &file, err) < 0 || hash_file(job, in, file, size, digest, err) < 0)
        return -1;
    if (streq(digest, in->digest))
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION, "ingest %.200s: hashes to %s, %s was expected",
              in->ref, digest, in->digest);
    return discard(job, in, path);
}

/* On disk, read-only, under its name.  From here on nothing gives up any more. */
static int publish(const struct content *content, const char *path, const char *blob,
                   const char *digest, struct error *err)
{
    CLEANUP(file_close) int file = -1;
    char folder[PATH_SIZE];

    if (path_format(folder, err, "%s/blobs/%.6s", content->root, digest) < 0 ||
        file_open_read(path, &file, err) < 0 || file_mode(file, 0444, err) < 0 ||
        file_sync(file, err) < 0)
        return -1;
    return fs_rename(path, blob, err) < 0 ? -1 : fs_folder_sync(folder, err);
}

static int commit_job(struct job *job, const void *in_record, void *out_record, struct error *err)
{
    const struct content *content = job_self(job);
    const struct content_commit_request *in = in_record;
    struct content_info *out = out_record;
    struct commit commit = { 0 };
    char path[PATH_SIZE], blob[PATH_SIZE];
    struct fs_info info;

    if (ingest_path(content, job_namespace(job), in->ref, path, err) < 0 ||
        blob_path(content, in->digest, blob, err) < 0)
        return -1;
    if (!fs_exists(path))
        return error_set(err, ERROR_NOT_FOUND, "ingest %.200s: there is none", in->ref);
    if (fs_stat(path, &info, err) < 0 || verify(job, in, path, info.size, err) < 0 ||
        job_check(job, err) < 0 || publish(content, path, blob, in->digest, err) < 0)
        return -1;
    commit.size = info.size;
    if (job_write(job, commit_write, in, NULL, &commit, err) < 0)
        return -1;
    if (commit.was_there)
        return error_set(err, ERROR_ALREADY_EXISTS, "content %s: is here already", in->digest);
    *out = (struct content_info){
        .digest = in->digest,
        .size = info.size,
        .labels = in->labels,
        SET(created, clock_now()),
        .path = arena_str(job_arena(job), blob),
    };
    return 0;
}

/* A file that got its name but no row goes back; one whose ingest was given up meanwhile goes. */
static int take_back(struct content *content, const char *digest, const char *path,
                     struct error *err)
{
    char blob[PATH_SIZE];

    if (blob_path(content, digest, blob, err) < 0)
        return -1;
    if (!is_being_committed(content, digest) && blob_is_known(content, digest) == 0 &&
        fs_exists(blob) && fs_rename(blob, path, err) < 0)
        return -1;
    return ingest_away(content, path, err);
}

/* The commit is over, however it ended. */
static void commit_ended(void *self, struct request *request, void *arg)
{
    struct content *content = self;
    const struct content_commit_request *in = request_body(request);
    char path[PATH_SIZE];
    struct error err = { 0 };

    lock_drop_ref(content, arg);
    if (ingest_path(content, request_namespace(request), in->ref, path, &err) < 0 ||
        take_back(content, in->digest, path, &err) == 0)
        return;
    log_warn("content", "commit %s: take the file back: %s; it is removed", in->digest, err.text);
    trash_later(&content->trash, in->digest, blob_away);
    trash_later(&content->trash, path, ingest_away);
}

int on_content_commit(void *self, struct request *request, struct error *err)
{
    struct content *content = self;
    const struct content_commit_request *in = request_body(request);
    struct lock *lock;

    if (in->has_hashed && in->hashed && !request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "content.commit: hashed is said inside the daemon only");
    if (ref_check(in->ref, err) < 0 || digest_require(in->digest, err) < 0 ||
        labels_check(&in->labels, err) < 0)
        return -1;
    lock = lock_find(content, request_namespace(request), in->ref);
    if (lock != NULL && lock->digest != NULL)
        return error_set(err, ERROR_UNAVAILABLE, "ingest %.200s: is being committed already",
                         in->ref);
    if (lock == NULL)
        lock = lock_acquire(content, request_namespace(request), in->ref, request_lease(request));
    lock->digest = strdup(in->digest);
    request_on_end(request, commit_ended, lock);
    return request_run(request, commit_job, err);
}
