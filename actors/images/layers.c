/* See layers.h.  The happy path of one layer: claim -> ingest -> download and unpack -> verify -> commit. */
#include "actors/images/layers.h"

#include "actors/base/log.h"
#include "actors/images/registry.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/unpack.h"

#define RESTARTS_MAX 2 /* a registry that cannot resume begins anew so often */

struct work {
    struct source *source;
    const struct images_config *config;
    const char *driver;
    const struct layer *layer;
    size_t index;
    bool unpack;      /* its snapshot is wanted and not here */
    bool prepared;
    bool unpacked;
    char key[200];    /* of the snapshot it is unpacked in */
    uint64_t number;  /* of the snapshot's layer; also when it was here already */
    uint64_t size, inodes, deferred;
    uint64_t downloaded;
};

/* ---- downloading ---------------------------------------------------------------------------- */

struct download {
    struct job *job;
    struct work *work;
    struct unpack *unpack; /* NULL: not unpacked */
    struct digester hash;
    int file;
    uint64_t at;
};

static void download_drop(struct download *download)
{
    digester_drop(&download->hash);
    file_close(&download->file);
}

static void report(struct job *job, const char *stage, const struct layer *layer, uint64_t done)
{
    const struct progress progress = {
        .stage = stage, .item = layer->blob.digest, SET(done, done), SET(total, layer->blob.size), .unit = "bytes"
    };

    job_report(job, &progress);
}

/* What an earlier try has left is hashed again: nothing is taken on trust. */
static int hash_prefix(struct download *download, const char *path, uint64_t size, struct error *err)
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
        size_t part = size - download->at < sizeof(block) ? (size_t)(size - download->at) : sizeof(block);

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
    report(download->job, "download", download->work->layer, download->at);
    return download->unpack != NULL ? unpack_allow(download->unpack, download->at, err) : 0;
}

static int download_blob(struct download *download, const struct content_ingest_reply *place, struct error *err)
{
    const struct layer *layer = download->work->layer;
    struct registry_caller caller = caller_of(download->job);
    struct registry_blob want = { .digest = layer->blob.digest, .size = layer->blob.size, .sink = take_bytes, .ctx = download };
    uint64_t offset = place->has_offset && place->offset <= layer->blob.size ? place->offset : 0;
    char digest[DIGEST_TEXT_SIZE];

    if (hash_prefix(download, place->path, offset, err) < 0 || file_open_append(place->path, offset, &download->file, err) < 0)
        return -1;
    if (download->unpack != NULL && unpack_allow(download->unpack, offset, err) < 0)
        return -1;
    want.offset = offset;
    if (offset < layer->blob.size || layer->blob.size == 0)
        if (registry_blob(download->work->source->registry, &caller, &want, err) < 0)
            return -1;
    if (digester_finish(&download->hash, digest, err) < 0)
        return -1;
    if (strcmp(digest, layer->blob.digest) != 0)
        return error_set(err, ERROR_DATA_LOSS, "layer %.19s: what came hashes to %.19s", layer->blob.digest, digest);
    return 0;
}

/* ---- unpacking ------------------------------------------------------------------------------- */

static int layer_folder(const struct work *work, uint64_t number, const char *below, char path[PATH_SIZE], struct error *err)
{
    return path_format(path, err, "%s/snapshots/%llu%s", work->config->root, (unsigned long long)number, below);
}

static int know_snapshot(struct job *job, struct work *work, struct error *err)
{
    struct snapshots_key_request want = { .key = work->layer->chain_id, .driver = work->driver };
    struct snapshot_info info;

    if (call(job, &op_snapshots_stat, &want, &info, err) < 0)
        return -1;
    work->number = info.has_layer ? info.layer : 0;
    return 0;
}

/* A place to unpack; or the snapshot is here after all, by another namespace's doing. */
static int prepare(struct job *job, struct work *work, struct error *err)
{
    struct snapshots_prepare_request want = { .key = work->key, .driver = work->driver, SET(apart, true),
                                              .target = work->layer->chain_id };
    struct snapshots_mounts_reply place;
    char id[33];

    job_new_id(id);
    snprintf(work->key, sizeof(work->key), "extract-%.12s-%s", id, work->layer->chain_id);
    if (call(job, &op_snapshots_prepare, &want, &place, err) < 0) {
        if (err->code != ERROR_ALREADY_EXISTS)
            return -1;
        work->unpack = false;
        return know_snapshot(job, work, err);
    }
    work->number = place.has_layer ? place.layer : 0;
    work->prepared = true;
    return 0;
}

static int unpack_begin(struct work *work, const char *blob, const char *const *lowers, size_t lower_count,
                        struct unpack *unpack, struct error *err)
{
    char folder[PATH_SIZE];
    struct unpack_options options = {
        .blob = blob,
        .folder = folder,
        .compression = compression_name(work->layer->compression),
        .base = work->index == 0,
        .lowers = lowers,
        .lower_count = lower_count,
        .max_bytes = work->config->unpack_max_bytes,
    };

    if (layer_folder(work, work->number, "", folder, err) < 0)
        return -1;
    return unpack_start(&options, unpack, err);
}

static int unpack_wait(struct job *job, struct work *work, struct unpack *unpack, struct error *err)
{
    struct unpack_news news;

    for (;;) {
        if (job_wait(job, unpack_fd(unpack), JOB_FD, -1, err) < 0)
            return -1;
        if (unpack_next(unpack, &news, err) < 0)
            return error_wrap(err, "layer %.19s", work->layer->blob.digest);
        if (news.kind == UNPACK_DONE)
            break;
        report(job, "unpack", work->layer, work->layer->blob.size);
    }
    if (strcmp(news.diff_id, work->layer->diff_id) != 0)
        return error_set(err, ERROR_DATA_LOSS, "layer %.19s unpacks to %.19s, the config says %.19s",
                         work->layer->blob.digest, news.diff_id, work->layer->diff_id);
    work->size = news.size;
    work->inodes = news.inodes;
    work->deferred = news.deferred;
    work->unpacked = true;
    return 0;
}

static int unpack_present(struct job *job, struct work *work, const char *blob, const char *const *lowers,
                          size_t lower_count, struct error *err)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };

    if (unpack_begin(work, blob, lowers, lower_count, &unpack, err) < 0 ||
        unpack_end(&unpack, work->layer->blob.size, err) < 0)
        return -1;
    return unpack_wait(job, work, &unpack, err);
}

/* ---- one layer ---------------------------------------------------------------------------------- */

static int fetch_and_unpack(struct job *job, struct work *work, const struct content_ingest_reply *place, struct error *err)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };
    CLEANUP(download_drop) struct download download = { .job = job, .work = work, .file = -1 };
    struct error touch = { 0 };

    if (work->unpack) {
        /* The unpacker opens the file by its name: it has to be there. */
        if (file_open_append(place->path, place->has_offset ? place->offset : 0, &download.file, &touch) < 0)
            return *err = touch, -1;
        file_close(&download.file);
        if (unpack_begin(work, place->path, NULL, 0, &unpack, err) < 0)
            return -1;
        download.unpack = &unpack;
    }
    if (download_blob(&download, place, err) < 0)
        return -1;
    if (!work->unpack)
        return 0;
    if (unpack_end(&unpack, work->layer->blob.size, err) < 0)
        return -1;
    return unpack_wait(job, work, &unpack, err);
}

/* Bytes that were found wrong are no use to a later try. */
static void give_back(struct job *job, const char *digest, const struct error *why)
{
    struct content_abort_request abort = { .ref = digest, SET(keep, why->code != ERROR_DATA_LOSS && why->code != ERROR_ABORTED) };

    call_finally(job, &op_content_abort, &abort);
}

static int take_claimed(struct job *job, struct work *work, unsigned tries, struct error *err)
{
    const struct descriptor *blob = &work->layer->blob;
    struct source *source = work->source;
    struct content_ingest_request ingest = { .ref = blob->digest, .digest = blob->digest, SET(size, blob->size) };
    struct map_entry origin = { NULL, source->repository };
    struct content_commit_request commit = { .ref = blob->digest, .digest = blob->digest, SET(size, blob->size), SET(hashed, true) };
    struct content_stat_request stat = { .digest = blob->digest };
    struct content_info info;
    struct content_ingest_reply place;

    if (source->registry == NULL) {
        if (call(job, &op_content_stat, &stat, &info, err) < 0)
            return error_wrap(err, "layer %.19s", blob->digest);
        return work->unpack ? unpack_present(job, work, info.path, NULL, 0, err) : 0;
    }
    if (call(job, &op_content_ingest, &ingest, &place, err) < 0)
        return -1;
    if (place.present) {
        if (!work->unpack)
            return 0;
        if (call(job, &op_content_stat, &stat, &info, err) < 0)
            return -1;
        return unpack_present(job, work, info.path, NULL, 0, err);
    }
    if (fetch_and_unpack(job, work, &place, err) < 0) {
        give_back(job, blob->digest, err);
        if (err->code != ERROR_ABORTED || tries == 0)
            return -1;
        return take_claimed(job, work, tries - 1, err);
    }
    if (source->origin != NULL) {
        origin.key = arena_printf(job_arena(job), "containerd.io/distribution.source.%s", source->origin);
        commit.labels = (struct map){ 1, &origin };
    }
    report(job, "commit", work->layer, blob->size);
    return call(job, &op_content_commit, &commit, NULL, err);
}

static int layer_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct work *work = (void *)(uintptr_t)in; /* results go into the item */
    struct images_claim_request claim = { .key = work->layer->blob.digest };
    int result;

    (void)out;
    if (work->source->registry == NULL && !work->unpack)
        return 0; /* nothing is asked for that is not here */
    report(job, "wait", work->layer, 0);
    if (work->unpack && prepare(job, work, err) < 0)
        return -1;
    if (call(job, &op_images_claim, &claim, NULL, err) < 0)
        return -1;
    result = take_claimed(job, work, RESTARTS_MAX, err);
    call_finally(job, &op_images_release, &claim);
    if (result == 0)
        report(job, "done", work->layer, work->layer->blob.size);
    return result;
}

/* ---- all together --------------------------------------------------------------------------------- */

/* fs folders of the layers below `index`, highest first. */
static const char *const *lowers_of(struct job *job, const struct work *works, size_t index, struct error *err)
{
    const char **lowers = arena_alloc(job_arena(job), (index + 1) * sizeof(*lowers));
    char path[PATH_SIZE];

    for (size_t i = 0; i < index; i++) {
        if (layer_folder(&works[index - 1 - i], works[index - 1 - i].number, "/fs", path, err) < 0)
            return NULL;
        lowers[i] = arena_str(job_arena(job), path);
    }
    return lowers;
}

static int unpack_again(struct job *job, struct work *work, const char *const *lowers, struct error *err)
{
    struct content_stat_request stat = { .digest = work->layer->blob.digest };
    struct content_info info;

    if (call(job, &op_content_stat, &stat, &info, err) < 0)
        return -1;
    return unpack_present(job, work, info.path, lowers, work->index, err);
}

static int stitch(struct job *job, struct work *works, size_t index, struct error *err)
{
    struct work *work = &works[index];
    const char *const *lowers;
    char folder[PATH_SIZE];

    if (work->deferred == 0)
        return 0;
    lowers = lowers_of(job, works, index, err);
    if (lowers == NULL || layer_folder(work, work->number, "", folder, err) < 0)
        return -1;
    if (unpack_stitch(folder, lowers, index, err) == 0)
        return 0;
    if (err->code != ERROR_ABORTED)
        return error_wrap(err, "layer %.19s", work->layer->blob.digest);
    return unpack_again(job, work, lowers, err);
}

/* passwd and group of the whole image, for who makes processes of it. */
static int keep_users(struct job *job, const struct work *works, size_t count, struct error *err)
{
    const char *const *lowers = lowers_of(job, works, count, err);
    char folder[PATH_SIZE];

    if (lowers == NULL || layer_folder(&works[count - 1], works[count - 1].number, "/users", folder, err) < 0)
        return -1;
    if (fs_folder_make(folder, 0700, err) < 0)
        return -1;
    return unpack_users(folder, lowers, count, err);
}

static int commit(struct job *job, const struct work *works, size_t index, struct error *err)
{
    const struct work *work = &works[index];
    struct snapshots_commit_request want = {
        .key = work->key,
        .name = work->layer->chain_id,
        .driver = work->driver,
        .parent = index > 0 ? works[index - 1].layer->chain_id : NULL,
        SET(size, work->size),
        SET(inodes, work->inodes),
        SET(synced, true),
    };

    if (call(job, &op_snapshots_commit, &want, NULL, err) == 0 || err->code == ERROR_ALREADY_EXISTS)
        return 0;
    return error_wrap(err, "layer %.19s", work->layer->blob.digest);
}

/* Stitches, syncs and commits, in chain order, as many as are unpacked without a gap. */
static int commit_all(struct job *job, struct work *works, size_t count, struct error *err)
{
    char folder[PATH_SIZE];
    size_t first = 0, last;

    while (first < count && !works[first].unpack)
        first++;
    for (last = first; last < count && works[last].unpacked; last++)
        if (stitch(job, works, last, err) < 0)
            return -1;
    if (last == count && keep_users(job, works, count, err) < 0)
        return -1;
    if (last == first)
        return 0;
    if (path_format(folder, err, "%s/snapshots", works->config->root) < 0 || fs_sync_all(folder, err) < 0)
        return -1;
    for (size_t i = first; i < last; i++)
        if (commit(job, works, i, err) < 0)
            return -1;
    return 0;
}

/* Which snapshots are missing; a layer above a missing one is missing too. */
static int look(struct job *job, struct work *works, size_t count, bool no_unpack, size_t *missing, struct error *err)
{
    struct error why = { 0 };

    for (*missing = 0; *missing < count; ++*missing)
        if (know_snapshot(job, &works[*missing], &why) < 0) {
            if (why.code != ERROR_NOT_FOUND)
                return *err = why, -1;
            break;
        }
    for (size_t i = 0; i < count; i++)
        works[i].unpack = i >= *missing && !no_unpack;
    return 0;
}

static int take_all(struct source *source, struct work *works, size_t count, bool no_unpack, struct error *err)
{
    struct job *job = source->job;
    struct images_claim_request claim = { .key = "" };
    struct error commit_err = { 0 };
    size_t missing;
    int result;

    if (look(job, works, count, no_unpack, &missing, err) < 0)
        return -1;
    if (missing < count && !no_unpack) {
        claim.key = works[missing].layer->chain_id;
        if (call(job, &op_images_claim, &claim, NULL, err) < 0)
            return -1;
        result = look(job, works, count, no_unpack, &missing, err); /* somebody may have done it meanwhile */
    } else {
        result = 0;
    }
    if (result == 0)
        result = job_each(job, layer_job, works, count, sizeof(*works), works->config->downloads, err);
    for (size_t i = 0; i < count; i++)
        source->downloaded += works[i].downloaded;
    if (!no_unpack && missing < count) {
        if (result < 0)
            job_finish(job, 60000); /* what is done is kept */
        if (commit_all(job, works, count, result < 0 ? &commit_err : err) < 0)
            result = -1;
    }
    if (claim.key[0] != '\0')
        call_finally(job, &op_images_release, &claim);
    return result;
}

int layers_take(struct source *source, const struct images_config *config, const char *driver, bool no_unpack,
                struct variant *variant, struct error *err)
{
    struct work *works = arena_alloc(job_arena(source->job), (variant->layer_count + 1) * sizeof(*works));

    if (variant->layer_count == 0)
        return 0;
    if (!variant->is_image)
        no_unpack = true;
    for (size_t i = 0; i < variant->layer_count; i++) {
        works[i] = (struct work){ .source = source, .config = config, .driver = driver, .layer = &variant->layers[i], .index = i };
        if (!no_unpack && media_of(variant->layers[i].blob.media_type).kind != MEDIA_LAYER)
            return error_set(err, ERROR_UNIMPLEMENTED, "layer %.19s has the type %.100s, which cannot be unpacked",
                             variant->layers[i].blob.digest, variant->layers[i].blob.media_type);
    }
    return take_all(source, works, variant->layer_count, no_unpack, err);
}
