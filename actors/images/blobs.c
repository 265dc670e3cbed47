/* Small blobs, documents, into the store and out of it. */
#include "actors/images/claim.h"
#include "actors/images/registry.h"
#include "actors/images/variant.h"
#include "actors/images/who.h"
#include "platform/platform.h"
#include "platform/scope.h"

static int write_ingest(const char *path, const struct bin *bytes, struct error *err)
{
    CLEANUP(file_close) int file = -1;

    if (file_open_append(path, 0, &file, err) < 0)
        return -1;
    return file_write(file, bytes->data, bytes->size, err);
}

int blob_put(struct job *job, const char *digest, const struct bin *bytes, const struct map *labels,
             struct error *err)
{
    struct content_ingest_request ingest = { .ref = digest,
                                             .digest = digest,
                                             SET(size, bytes->size) };
    struct content_commit_request commit = { .ref = digest,
                                             .digest = digest,
                                             SET(size, bytes->size),
                                             .labels = *labels,
                                             SET(hashed, true) };
    struct content_label_request label = { .digest = digest, .labels = *labels };
    CLEANUP(claim_drop) struct claim_held claim;
    struct content_ingest_reply place;
    int result;

    if (claim_take(&claim, job, err, "blob %s", digest) < 0)
        return -1;
    result = call(job, &op_content_ingest, &ingest, &place, err);
    if (result == 0 && place.present)
        result = labels->count > 0 ? call(job, &op_content_label, &label, NULL, err) : 0;
    else if (result == 0)
        result = write_ingest(place.path, bytes, err) < 0
                     ? -1
                     : call(job, &op_content_commit, &commit, NULL, err);
    return result < 0 ? error_wrap(err, "store %.19s", digest) : 0;
}

int blob_get(struct job *job, const struct descriptor *blob, size_t limit, struct bin *out,
             struct error *err)
{
    struct content_stat_request want = { .digest = blob->digest };
    struct content_info info;
    size_t size;
    char *text;

    if (call(job, &op_content_stat, &want, &info, err) < 0)
        return -1;
    text = fs_read(info.path, limit, &size, err);
    if (text == NULL)
        return error_wrap(err, "read %.19s", blob->digest);
    *out = (struct bin){ arena_copy(job_arena(job), text, size), size };
    free(text);
    return digest_verify(blob->digest, out->data, out->size, err);
}

int blob_is_here(struct job *job, const struct descriptor *blob, struct error *err)
{
    struct content_stat_request stat = { .digest = blob->digest };
    struct content_info info;

    if (!digest_is_usable(blob->digest))
        return 0;
    if (call(job, &op_content_stat, &stat, &info, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1;
    if (info.size != blob->size)
        return error_set(err, ERROR_DATA_LOSS, "blob %.19s has %llu bytes, %llu were said",
                         blob->digest, (unsigned long long)info.size,
                         (unsigned long long)blob->size);
    return 1;
}

int document_get(struct job *job, const struct descriptor *blob, struct descriptor *known,
                 struct bin *bytes, struct error *err)
{
    *known = *blob;
    if (digest_require(blob->digest, err) < 0 ||
        blob_get(job, blob, MANIFEST_BYTES_MAX, bytes, err) < 0)
        return -1;
    return document_settle(known, bytes, job_arena(job), err);
}

static int check(void *ctx, struct error *err)
{
    return job_check(ctx, err);
}

static int who(void *ctx, const struct registry_question *question, struct arena *arena,
               struct registry_known *out, struct error *err)
{
    return who_is_asking(ctx, question, arena, out, err);
}

struct registry_caller caller_of(struct job *job)
{
    return (struct registry_caller){ .check = check, .who = who, .ctx = job };
}
