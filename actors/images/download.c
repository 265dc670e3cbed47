/*
 * download — a layer's bytes from the registry into the ingest, hashed as they come, with an
 * unpacker behind them.
 *
 * The happy path is hash what an earlier try left -> go on from there -> compare.  The
 * unpacker sees bytes before they are verified, so nothing it makes counts before the
 * digest was found right (unpack_end in layers.c).
 */
#include "actors/images/ranges.h"
#include "actors/images/work.h"
#include "platform/scope.h"

#define HEAR_BYTES (1u << 20) /* so often the unpacker is listened to */
#define SPARE      (1u << 20) /* bytes given back to a disk that is full */

struct download {
    struct job *job;
    struct work *work;
    struct unpack *unpack; /* NULL: not unpacked */
    struct digester hash;
    int file;
    uint64_t at;
    uint64_t heard; /* at the last look */
};

static void download_drop(struct download *download)
{
    digester_drop(&download->hash);
    file_close(&download->file);
}

/* What an earlier try has left is hashed again: nothing is taken on trust. */
static int hash_prefix(struct download *download, const char *path, uint64_t size,
                       struct error *err)
{
    CLEANUP(file_close) int file = -1;
    char block[65536];
    int64_t got;

    if (digester_open(&download->hash, download->work->layer->blob.digest, err) < 0)
        return -1;
    if (size == 0)
        return 0;
    if (file_open_read(path, &file, err) < 0)
        return -1;
    while (download->at < size) {
        size_t part =
            size - download->at < sizeof(block) ? (size_t)(size - download->at) : sizeof(block);

        if ((got = file_read(file, block, part, err)) < 0 || job_check(download->job, err) < 0)
            return -1;
        if (got == 0)
            return error_set(err, ERROR_DATA_LOSS, "the kept part of %.19s is shorter than it was",
                             download->work->layer->blob.digest);
        digester_add(&download->hash, block, (size_t)got);
        download->at += (uint64_t)got;
    }
    return 0;
}

static int tell_unpacker(struct download *download, struct error *err)
{
    if (download->unpack == NULL)
        return 0;
    if (download->at - download->heard >= HEAR_BYTES) {
        download->heard = download->at;
        if (unpack_hear(download->job, download->work, download->unpack, err) < 0)
            return -1;
    }
    return unpack_allow(download->unpack, download->at, err);
}

static int take_bytes(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct download *download = ctx;
    const char *digest = download->work->layer->blob.digest;

    if (at != download->at) /* from 0 again: what was written, and the unpacker has read, is void */
        return error_set(err, ERROR_ABORTED, "the registry began %.19s anew", digest);
    if (file_write(download->file, data, size, err) < 0)
        return error_wrap(err, "layer %.19s", digest);
    digester_add(&download->hash, data, size);
    download->at += size;
    download->work->downloaded += size;
    work_report(download->job, "download", download->work, download->at);
    return tell_unpacker(download, err);
}

/* On a full disk not even the database could write that this has failed. */
static void give_room(struct download *download, const char *path)
{
    uint64_t keep = download->at > SPARE ? download->at - SPARE : 0;
    struct error ignored;

    file_close(&download->file);
    file_open_append(path, keep, &download->file, &ignored);
}

static int download(struct download *download, const struct content_ingest_reply *place,
                    struct error *err)
{
    const struct descriptor *blob = &download->work->layer->blob;
    struct supply *supply = download->work->source->supply;
    struct registry_blob want = {
        .digest = blob->digest, .size = blob->size, .sink = take_bytes, .ctx = download
    };
    char digest[DIGEST_TEXT_SIZE];
    struct supply_trip trip = { 0 };

    want.offset = place->has_offset && place->offset <= blob->size ? place->offset : 0;
    if (hash_prefix(download, place->path, want.offset, err) < 0 ||
        file_open_append(place->path, want.offset, &download->file, err) < 0 ||
        tell_unpacker(download, err) < 0 ||
        ranges_blob(supply, download->job, download->work->config, &want, &trip, err) < 0 ||
        digester_finish(&download->hash, digest, err) < 0)
        return -1;
    if (strcmp(digest, blob->digest) == 0)
        return 0;
    if (want.offset > 0) /* the host may be right, and the disk wrong */
        return error_set(err, ERROR_DATA_LOSS, "layer %.19s: with what was kept of it it hashes to %.19s",
                         blob->digest, digest);
    /* from another host it may be right */
    return error_set(err, supply_distrust(supply, &trip) ? ERROR_ABORTED : ERROR_DATA_LOSS,
                     "layer %.19s: what came hashes to %.19s", blob->digest, digest);
}

int blob_download(struct job *job, struct work *work, const struct content_ingest_reply *place,
                  struct unpack *unpack, struct error *err)
{
    CLEANUP(download_drop)
    struct download one = { .job = job, .work = work, .unpack = unpack, .file = -1 };

    if (download(&one, place, err) == 0)
        return 0;
    if (err->code == ERROR_RESOURCE_EXHAUSTED && one.file >= 0)
        give_room(&one, place->path);
    return -1;
}
