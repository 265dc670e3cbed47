/* unpack — a layer's snapshot: a place for it, the helper that fills it, what came out. */
#include "actors/images/work.h"
#include "platform/scope.h"

/* ---- the place ------------------------------------------------------------------------- */

int snapshot_know(struct job *job, struct work *work, struct error *err)
{
    struct snapshots_key_request want = { .key = work->layer->chain_id, .driver = work->driver };
    struct snapshot_info info;

    if (call(job, &op_snapshots_stat, &want, &info, err) < 0)
        return -1;
    work->number = info.has_layer ? info.layer : 0;
    work->whole = info.has_whole && info.whole;
    work->remote = info.has_remote && info.remote;
    return 0;
}

int snapshot_prepare(struct job *job, struct work *work, bool settled, struct error *err)
{
    struct snapshots_prepare_request want = {
        .key = work->key,
        .driver = work->driver,
        SET(apart, true),
        SET(layers, work->count),
        .target = work->layer->chain_id,
        .labels = work->hints,
    };
    struct snapshots_mounts_reply place;
    char id[33];

    if (settled) {
        want.settled = want.has_settled = true;
        want.parent = work->below;
    }

    job_new_id(id);
    snprintf(work->key, sizeof(work->key), "extract-%.12s-%s", id, work->layer->chain_id);
    if (call(job, &op_snapshots_prepare, &want, &place, err) < 0) {
        if (err->code != ERROR_ALREADY_EXISTS)
            return -1;
        work->unpack = false;
        return snapshot_know(job, work, err);
    }
    work->number = place.has_layer ? place.layer : 0;
    work->whole = place.has_whole && place.whole;
    work->mounted = place.has_mounted && place.mounted;
    work->prepared = true;
    return 0;
}

/* ---- the helper ------------------------------------------------------------------------- */

/* Asked each time: they are its job's, and one layer may be several jobs' after each other. */
static int mounts_take(struct job *job, const struct work *work, struct list *mounts,
                       struct error *err)
{
    struct snapshots_key_request want = { .key = work->key, .driver = work->driver };
    struct snapshots_mounts_reply place;

    if (call(job, &op_snapshots_mounts, &want, &place, err) < 0)
        return error_wrap(err, "layer %.19s", work->layer->blob.digest);
    *mounts = place.mounts;
    return 0;
}

int unpack_begin(struct job *job, struct work *work, const char *blob, const char *const *lowers,
                 size_t lower_count, struct unpack *unpack, struct error *err)
{
    char folder[PATH_SIZE];
    struct list mounts;
    struct unpack_options options = {
        .blob = blob,
        .folder = folder,
        .compression = compression_name(work->layer->compression),
        .base = work->index == 0,
        .lowers = lowers,
        .lower_count = lower_count,
        .lower_mounts = work->lower_mounts,
        .mounts = work->mounted ? &mounts : NULL,
        .max_bytes = work->config->unpack_max_bytes,
    };

    if (work_folder(work, "", folder, err) < 0 ||
        (work->mounted && mounts_take(job, work, &mounts, err) < 0))
        return -1;
    return unpack_start(&options, unpack, err);
}

/* 1: that was the last. */
static int take_news(struct job *job, struct work *work, struct unpack *unpack,
                     struct unpack_news *news, struct error *err)
{
    if (unpack_next(unpack, news, err) < 0)
        return error_wrap(err, "layer %.19s", work->layer->blob.digest);
    if (news->kind == UNPACK_DONE)
        return 1;
    work_report(job, "unpack", work, work->layer->blob.size);
    return 0;
}

int unpack_hear(struct job *job, struct work *work, struct unpack *unpack, struct error *err)
{
    struct unpack_news news;
    int there;

    while ((there = job_wait(job, unpack_fd(unpack), JOB_FD, 0, err)) > 0)
        if (take_news(job, work, unpack, &news, err) < 0)
            return -1;
    return there;
}

int unpack_finish(struct job *job, struct work *work, struct unpack *unpack, struct error *err)
{
    struct unpack_news news;
    int last = 0;

    while (last == 0)
        if (job_wait(job, unpack_fd(unpack), JOB_FD, -1, err) < 0 ||
            (last = take_news(job, work, unpack, &news, err)) < 0)
            return -1;
    if (strcmp(news.diff_id, work->layer->diff_id) != 0)
        return error_set(err, ERROR_DATA_LOSS,
                         "layer %.19s unpacks to %.19s, the config says %.19s",
                         work->layer->blob.digest, news.diff_id, work->layer->diff_id);
    work->size = news.size;
    work->inodes = news.inodes;
    work->deferred = news.deferred;
    work->unpacked = true;
    return 0;
}

int unpack_present(struct job *job, struct work *work, const char *blob, const char *const *lowers,
                   size_t lower_count, struct error *err)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };

    if (unpack_begin(job, work, blob, lowers, lower_count, &unpack, err) < 0 ||
        unpack_end(&unpack, work->layer->blob.size, err) < 0)
        return -1;
    return unpack_finish(job, work, &unpack, err);
}

int unpack_stitch_mounted(struct job *job, struct work *work, const struct list *parent, struct error *err)
{
    char folder[PATH_SIZE];
    struct list mounts;

    if (work_folder(work, "", folder, err) < 0 || mounts_take(job, work, &mounts, err) < 0)
        return -1;
    return unpack_stitch_on(folder, &mounts, parent, err);
}
