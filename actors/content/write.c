/*
 * Write: a blob that comes over the connection.
 *
 * The happy path is ingest -> append and hash what comes -> commit.  The client may send what it was
 * allowed to, and as much again as was written.  What ends early, or is not what it was
 * said to be, leaves nothing.
 */
#include "actors/base/job.h"
#include "actors/base/lease.h"
#include "actors/content/store.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/name.h"

#define WINDOW (1u << 20) /* bytes on their way */

struct incoming {
    struct job *job;
    const struct content_write_request *want;
    struct digester hash;
    int file;
    uint64_t size;
};

static void incoming_drop(struct incoming *incoming)
{
    digester_drop(&incoming->hash);
    file_close(&incoming->file);
}

/* A layer that may not be unpacked need not fill the disk first. */
static int check_size(const struct job *job, uint64_t size, struct error *err)
{
    const struct content *content = job_self(job);

    if (content->write_max == 0 || size <= content->write_max)
        return 0;
    error_set(err, ERROR_RESOURCE_EXHAUSTED, "larger than %llu bytes",
              (unsigned long long)content->write_max);
    return error_hint(err, "limits.layer_size of the daemon's configuration bounds it");
}

static int take_chunk(struct incoming *incoming, const struct chunk *chunk, struct error *err)
{
    if (incoming->want->has_size && chunk->size > incoming->want->size - incoming->size)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "content %.80s: more than the %llu bytes that were announced came",
                         incoming->want->digest ? incoming->want->digest : "",
                         (unsigned long long)incoming->want->size);
    if (check_size(incoming->job, incoming->size + chunk->size, err) < 0 ||
        file_write(incoming->file, chunk->bytes, chunk->size, err) < 0)
        return -1;
    digester_add(&incoming->hash, chunk->bytes, chunk->size);
    incoming->size += chunk->size;
    job_allow(incoming->job, chunk->size);
    return 0;
}

static int take_all(struct incoming *incoming, struct error *err)
{
    bool end = false;

    job_allow(incoming->job, WINDOW);
    while (!end) {
        CLEANUP(chunk_free) struct chunk *chunk = job_take(incoming->job);

        if (chunk == NULL && job_wait(incoming->job, -1, JOB_INPUT, -1, err) < 0)
            return -1;
        if (chunk == NULL)
            continue;
        if (take_chunk(incoming, chunk, err) < 0)
            return -1;
        end = chunk->end;
    }
    if (!incoming->want->has_size || incoming->size == incoming->want->size)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "content %.80s: %llu of %llu bytes came",
                     incoming->want->digest ? incoming->want->digest : "",
                     (unsigned long long)incoming->size, (unsigned long long)incoming->want->size);
}

static int store(struct job *job, const struct content_write_request *want, const char *ref,
                 const char *path, struct content_info *out, struct error *err)
{
    CLEANUP(incoming_drop) struct incoming incoming = { .job = job, .want = want, .file = -1 };
    char *digest = arena_alloc(job_arena(job), DIGEST_TEXT_SIZE);
    struct content_commit_request commit = {
        .ref = ref, .digest = digest, .labels = want->labels, SET(hashed, true)
    };
    struct content_stat_request stat = { .digest = digest };

    if (digester_open(&incoming.hash, want->digest ? want->digest : "sha256", err) < 0 ||
        file_open_append(path, 0, &incoming.file, err) < 0 || take_all(&incoming, err) < 0 ||
        digester_finish(&incoming.hash, digest, err) < 0)
        return -1;
    file_close(&incoming.file);
    if (want->digest != NULL && !streq(digest, want->digest))
        return error_set(err, ERROR_DATA_LOSS, "content %s: what came hashes to %s", want->digest,
                         digest);
    if (call(job, &op_content_commit, &commit, out, err) == 0)
        return 0;
    /* nobody has said before what it will be, and now it turns out to be here */
    return err->code == ERROR_ALREADY_EXISTS ? call(job, &op_content_stat, &stat, out, err) : -1;
}

static int write_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct content_write_request *want = in;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct content_stat_request stat = { .digest = want->digest };
    struct content_ingest_reply place;
    char id[33], ref[48];
    struct content_ingest_request ingest = { .ref = ref, .digest = want->digest };
    struct content_abort_request abort = { .ref = ref };

    job_new_id(id);
    snprintf(ref, sizeof(ref), JOB_INGEST "%s", id);
    if (want->has_size && check_size(job, want->size, err) < 0)
        return error_wrap(err, "content %.80s", want->digest ? want->digest : "");
    lease_have(&lease, job);
    if (call(job, &op_content_ingest, &ingest, &place, err) < 0) {
        call_finally(job, &op_content_abort, &abort);
        return -1;
    }
    if (place.present)
        return call(job, &op_content_stat, &stat, out, err);
    if (store(job, want, ref, place.path, out, err) == 0)
        return 0;
    call_finally(job, &op_content_abort, &abort);
    return -1;
}

int on_content_write(void *self, struct request *request, struct error *err)
{
    const struct content_write_request *in = request_body(request);

    (void)self;
    if ((in->digest != NULL && digest_require(in->digest, err) < 0) ||
        labels_check(&in->labels, err) < 0)
        return -1;
    return request_run(request, write_job, err);
}
