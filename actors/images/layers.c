/*
 * See layers.h.  The happy path of one layer is claim -> ingest -> download and unpack ->
 * verify -> commit; of all of them, claim the lowest missing -> each -> stitch -> sync ->
 * commit in chain order.
 */
#include "actors/images/layers.h"

#include "actors/base/log.h"
#include "actors/images/work.h"
#include "platform/scope.h"

#define RESTARTS_MAX 2     /* a registry that cannot resume begins anew so often */
#define FINISH_MS    60000 /* to keep what was done, when the rest has failed */

void work_report(struct job *job, const char *stage, const struct work *work, uint64_t done)
{
    const struct descriptor *blob = &work->layer->blob;
    const struct progress progress = { .stage = stage,
                                       .item = blob->digest,
                                       SET(done, done),
                                       SET(total, blob->size),
                                       .unit = "bytes" };

    job_report(job, &progress);
}

int work_folder(const struct work *work, const char *below, char path[PATH_SIZE], struct error *err)
{
    return path_format(path, err, "%s/snapshots/%llu%s", work->config->root,
                       (unsigned long long)work->number, below);
}

/* ---- one layer -------------------------------------------------------------------------- */

static int fetch_and_unpack(struct job *job, struct work *work,
                            const struct content_ingest_reply *place, struct error *err)
{
    CLEANUP(unpack_drop) struct unpack unpack = { 0 };

    if (!work->unpack)
        return blob_download(job, work, place, NULL, err);
    if (unpack_begin(job, work, place->path, NULL, 0, &unpack, err) < 0 ||
        blob_download(job, work, place, &unpack, err) < 0 ||
        unpack_end(&unpack, work->layer->blob.size, err) < 0)
        return -1;
    return unpack_finish(job, work, &unpack, err);
}

static int fetch_from_urls(struct job *job, struct work *work,
                           const struct content_ingest_reply *place, struct error *err)
{
    if (blob_from_urls(job, work, place, err) < 0)
        return -1;
    return work->unpack ? unpack_present(job, work, place->path, NULL, 0, err) : 0;
}

/* Bytes that are what they should be serve a later try; wrong ones, or those of a layer that
   cannot be unpacked, never will. */
static bool is_worth_keeping(const struct work *work, const struct content_ingest_reply *place,
                             enum error_code code)
{
    return place->offset + work->downloaded > 0 && code != ERROR_DATA_LOSS &&
           code != ERROR_ABORTED && code != ERROR_INVALID_ARGUMENT;
}

/* What was half unpacked goes at once: on a full disk nothing could be written about it. */
static void give_back(struct job *job, struct work *work, const struct content_ingest_reply *place,
                      const struct error *why)
{
    struct content_abort_request abort = { .ref = work->layer->blob.digest,
                                           SET(keep, is_worth_keeping(work, place, why->code)) };
    char path[PATH_SIZE];
    struct error ignored;

    if (work->unpack && why->code == ERROR_RESOURCE_EXHAUSTED &&
        work_folder(work, "/fs", path, &ignored) == 0)
        fs_remove_tree(path, &ignored);
    call_finally(job, &op_content_abort, &abort);
}

static int take_present(struct job *job, struct work *work, struct error *err)
{
    struct content_stat_request stat = { .digest = work->layer->blob.digest };
    struct content_info info;

    if (call(job, &op_content_stat, &stat, &info, err) < 0)
        return error_wrap(err, "layer %.19s", work->layer->blob.digest);
    return work->unpack ? unpack_present(job, work, info.path, NULL, 0, err) : 0;
}

static int commit_blob(struct job *job, struct work *work, struct error *err)
{
    const struct descriptor *blob = &work->layer->blob;
    const struct source *source = work->source;
    struct map_entry origin = { NULL, source->repository };
    struct content_commit_request commit = {
        .ref = blob->digest, .digest = blob->digest, SET(size, blob->size), SET(hashed, true)
    };

    if (source->origin != NULL) {
        origin.key =
            arena_printf(job_arena(job), "containerd.io/distribution.source.%s", source->origin);
        commit.labels = (struct map){ 1, &origin };
    }
    work_report(job, "commit", work, blob->size);
    job_finish(job, FINISH_MS); /* or who waits for the blob meets a writing that has not ended */
    return call(job, &op_content_commit, &commit, NULL, err);
}

/* What an earlier try has left is not what the disk has now: a machine that lost power may have kept the length
   of a file and not its bytes.  Nothing of it is kept, so this is said once. */
static bool is_spoilt(const struct content_ingest_reply *place, enum error_code code)
{
    return place->has_offset && place->offset > 0 &&
           (code == ERROR_DATA_LOSS || code == ERROR_INVALID_ARGUMENT);
}

static int take_claimed(struct job *job, struct work *work, unsigned tries, struct error *err)
{
    const struct descriptor *blob = &work->layer->blob;
    struct content_ingest_request ingest = { .ref = blob->digest,
                                             .digest = blob->digest,
                                             SET(size, blob->size) };
    struct content_ingest_reply place;

    if (work->source->supply == NULL)
        return take_present(job, work, err);
    if (call(job, &op_content_ingest, &ingest, &place, err) < 0)
        return -1;
    if (place.present)
        return take_present(job, work, err);
    if (fetch_and_unpack(job, work, &place, err) == 0 ||
        (err->code == ERROR_NOT_FOUND && fetch_from_urls(job, work, &place, err) == 0))
        return commit_blob(job, work, err);
    give_back(job, work, &place, err);
    if (is_spoilt(&place, err->code)) {
        log_info("images", "%s; it is begun anew", err->text);
        return take_claimed(job, work, tries, err);
    }
    if (err->code != ERROR_ABORTED || tries == 0)
        return -1;
    return take_claimed(job, work, tries - 1, err);
}

static int layer_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct work *work = (void *)(uintptr_t)in; /* results go into the item */
    struct claim_held claim;
    int result;

    (void)out;
    if (work->source->supply == NULL && !work->unpack)
        return 0; /* nothing is asked for that is not here */
    if (work->remote && !work->unpack)
        return 0;
    work_report(job, "wait", work, 0);
    if (work->unpack && !work->prepared && snapshot_prepare(job, work, false, err) < 0)
        return -1;
    if (claim_take(&claim, job, err, "blob %s", work->layer->blob.digest) < 0)
        return -1;
    result = take_claimed(job, work, RESTARTS_MAX, err);
    claim_drop(&claim);
    if (result == 0)
        work_report(job, "done", work, work->layer->blob.size);
    return result;
}

/* ---- stitching ------------------------------------------------------------------------------ */

/* fs folders of the layers below `index`, highest first. */
static const char *const *lowers_of(struct job *job, const struct work *works, size_t index,
                                    struct error *err)
{
    const char **lowers = arena_alloc(job_arena(job), (index + 1) * sizeof(*lowers));
    char path[PATH_SIZE];

    for (size_t i = 0; i < index; i++) {
        if (work_folder(&works[index - 1 - i], "/fs", path, err) < 0)
            return NULL;
        lowers[i] = arena_str(job_arena(job), path);
    }
    return lowers;
}

static int unpack_again(struct job *job, struct work *work, const char *const *lowers,
                        size_t lower_count, struct error *err)
{
    struct content_stat_request stat = { .digest = work->layer->blob.digest };
    struct content_info info;

    if (call(job, &op_content_stat, &stat, &info, err) < 0)
        return -1;
    return unpack_present(job, work, info.path, lowers, lower_count, err);
}

static int stitch(struct job *job, struct work *works, size_t index, struct error *err)
{
    struct work *work = &works[index];
    const char *const *lowers;
    char folder[PATH_SIZE];

    if (work->deferred == 0)
        return 0;
    lowers = lowers_of(job, works, index, err);
    if (lowers == NULL || work_folder(work, "", folder, err) < 0)
        return -1;
    if (unpack_stitch(folder, lowers, index, err) == 0)
        return 0;
    if (err->code != ERROR_ABORTED)
        return error_wrap(err, "layer %.19s", work->layer->blob.digest);
    return unpack_again(job, work, lowers, index, err);
}

/* ---- users ---------------------------------------------------------------------------------- */

/* 1: the tree of a layer cannot be seen by its folder, it has to be mounted. */
static int lies_elsewhere(const struct work *work, struct error *err)
{
    char path[PATH_SIZE];

    if (!work->whole)
        return 0;
    return work_folder(work, "/fs", path, err) < 0 ? -1 : !fs_exists(path);
}

static int users_copy(struct job *job, const struct work *works, size_t count, const char *to,
                      struct error *err)
{
    CLEANUP(look_drop) struct look look = { .job = NULL };
    const struct work *top = &works[count - 1];
    int elsewhere = lies_elsewhere(top, err);
    const char *const *lowers;

    if (elsewhere == 0) {
        lowers = lowers_of(job, works, count, err);
        return lowers == NULL ? -1 : unpack_users(to, lowers, top->whole ? 1 : count, err);
    }
    if (elsewhere < 0 || look_take(&look, job, top->driver, top->layer->chain_id, err) < 0)
        return -1;
    return unpack_users_of(to, &look.mounts, err);
}

/*
 * passwd and group of the whole image, for who makes processes of it; they lie with the top
 * layer, which may have been a layer in the middle until now.  Half of them is never seen.
 */
static int keep_users(struct job *job, const struct work *works, size_t count, struct error *err)
{
    const struct work *top = &works[count - 1];
    char folder[PATH_SIZE], made[PATH_SIZE], name[50], id[33];
    struct error ignored;

    if (work_folder(top, "/users", folder, err) < 0)
        return -1;
    if (fs_exists(folder))
        return 0;
    job_new_id(id);
    snprintf(name, sizeof(name), "/users.%s", id);
    if (work_folder(top, name, made, err) < 0 || fs_folder_make(made, 0700, err) < 0)
        return -1;
    if (users_copy(job, works, count, made, err) == 0 &&
        (top->unpacked || fs_sync_all(made, err) == 0) &&
        (fs_rename(made, folder, err) == 0 || fs_exists(folder)))
        return fs_remove_tree(made, &ignored);
    fs_remove_tree(made, &ignored);
    return -1;
}

/* ---- committing ----------------------------------------------------------------------------- */

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

/* ---- whole trees -------------------------------------------------------------------------- */

/* Those that nobody has come to yet do not know. */
static bool is_whole(const struct work *works, size_t count)
{
    bool whole = false;

    for (size_t i = 0; i < count; i++)
        whole = whole || works[i].whole;
    return whole;
}

/* With the one below in sight, which holds the files of all below it. */
static int unpack_on(struct job *job, struct work *work, const struct work *parent,
                     struct error *err)
{
    CLEANUP(look_drop) struct look look = { .job = NULL };
    int elsewhere = lies_elsewhere(parent, err), result;
    const char *lower[1];
    char path[PATH_SIZE];

    if (elsewhere == 0) {
        lower[0] = path;
        return work_folder(parent, "/fs", path, err) < 0
                   ? -1
                   : unpack_again(job, work, lower, 1, err);
    }
    if (elsewhere < 0 || look_take(&look, job, parent->driver, parent->layer->chain_id, err) < 0)
        return -1;
    work->lower_mounts = &look.mounts;
    result = unpack_again(job, work, NULL, 0, err);
    work->lower_mounts = NULL;
    return result;
}

/* What lies with a plugin is stitched there; all else by the driver, when it is rebased. */
static int stitch_there(struct job *job, struct work *work, const struct work *parent,
                        struct error *err)
{
    CLEANUP(look_drop) struct look look = { .job = NULL };

    if (!work->mounted || work->deferred == 0)
        return 0;
    if (look_take(&look, job, parent->driver, parent->layer->chain_id, err) < 0)
        return -1;
    return unpack_stitch_mounted(job, work, &look.mounts, err);
}

static int commit_on(struct job *job, struct work *works, size_t index, struct error *err)
{
    if (index > 0 && stitch_there(job, &works[index], &works[index - 1], err) < 0)
        return -1;
    return commit(job, works, index, err);
}

static int commit_again(struct job *job, struct work *works, size_t index, struct error *err)
{
    if (unpack_on(job, &works[index], &works[index - 1], err) < 0)
        return -1;
    return commit(job, works, index, err);
}

/* Each is put on top of the one before it, which has to be committed then; the commit syncs it. */
static int commit_whole(struct job *job, struct work *works, size_t last, struct error *err)
{
    for (size_t i = 0; i < last; i++) {
        if (!works[i].unpacked)
            continue;
        work_report(job, "rebase", &works[i], works[i].layer->blob.size);
        if (commit_on(job, works, i, err) == 0)
            continue;
        if (err->code != ERROR_ABORTED || i == 0 || commit_again(job, works, i, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- in chain order ------------------------------------------------------------------------ */

/* Stitches, syncs and commits, in chain order, as many as are here without a gap. */
static int commit_all(struct job *job, struct work *works, size_t count, struct error *err)
{
    char folder[PATH_SIZE];
    size_t last, made = 0;
    bool whole = is_whole(works, count);

    for (last = 0; last < count && (!works[last].unpack || works[last].unpacked); last++) {
        made += works[last].unpacked;
        if (works[last].unpacked && !whole && stitch(job, works, last, err) < 0)
            return -1;
    }
    if (whole && commit_whole(job, works, last, err) < 0)
        return -1;
    if (last == count && keep_users(job, works, count, err) < 0)
        return -1;
    if (made == 0 || whole)
        return 0;
    if (path_format(folder, err, "%s/snapshots", works->config->root) < 0 ||
        fs_sync_all(folder, err) < 0)
        return -1;
    for (size_t i = 0; i < last; i++)
        if (works[i].unpacked && commit(job, works, i, err) < 0)
            return -1;
    return 0;
}

/* ---- all together --------------------------------------------------------------------------- */

/* How many snapshots are here, from the lowest on: a layer above a missing one is missing too. */
static int count_here(struct job *job, struct work *works, size_t count, size_t *here,
                      struct error *err)
{
    struct error why = { 0 };

    for (*here = 0; *here < count; ++*here)
        if (snapshot_know(job, &works[*here], &why) < 0)
            return why.code == ERROR_NOT_FOUND ? 0 : (*err = why, -1);
    return 0;
}

/* What others will stand on must not go meanwhile: the highest that is here keeps all below. */
static int hold_highest(struct job *job, const struct work *work, struct error *err)
{
    struct resource snapshot = { "snapshot", work->layer->chain_id, work->driver };
    struct leases_add_request want = { job_lease(job), { 1, &snapshot } };

    return call(job, &op_leases_add, &want, NULL, err);
}

static int look(struct job *job, struct work *works, size_t count, size_t *here, struct error *err)
{
    size_t held = 0; /* so many, from the lowest on; 0: none */

    for (;;) {
        if (count_here(job, works, count, here, err) < 0)
            return -1;
        if (*here == count || *here == held)
            return 0;
        if (hold_highest(job, &works[*here - 1], err) < 0)
            return -1;
        held = *here; /* and still there? */
    }
}

struct claims {
    struct claim_held *held; /* one for each layer; in the job's arena */
    size_t count;
};

static void claims_drop(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++)
        claim_drop(&claims->held[i]);
}

static int claim_layer(struct job *job, const struct work *work, struct claim_held *claim,
                       struct error *err)
{
    return claim_take(claim, job, err, "unpack %s %s", work->driver, work->layer->chain_id);
}

/*
 * The lowest layer that the whole daemon does not have yet is claimed: who wants it too, or
 * one above it, waits here.  Those below are taken over from other namespaces.  Those above are claimed as well:
 * who comes when some of them are committed waits at the next.  Always upwards in a chain, so nobody waits
 * for somebody who waits for him.
 */
static int claim_missing(struct job *job, struct work *works, size_t count, size_t *here,
                         struct claims *claims, struct error *err)
{
    for (; *here < count; ++*here) {
        struct work *work = &works[*here];
        int result;

        if (claim_layer(job, work, &claims->held[*here], err) < 0)
            return -1;
        work->unpack = true;
        result = snapshot_prepare(job, work, true, err);
        if (result == 0 && work->prepared)
            break;
        claim_drop(&claims->held[*here]);
        if (result < 0)
            return -1;
    }
    for (size_t i = *here + 1; i < count; i++)
        if (claim_layer(job, &works[i], &claims->held[i], err) < 0)
            return -1;
    return 0;
}

/* Downloads and unpacks; what is finished when one fails is kept all the same. */
static int take_each(struct source *source, struct work *works, size_t count, struct error *err)
{
    struct job *job = source->job;
    struct error ignored;
    int result =
        job_each(job, layer_job, works, count, sizeof(*works), works->config->downloads, err);

    for (size_t i = 0; i < count; i++)
        source->downloaded += works[i].downloaded;
    return result < 0 ? (job_finish(job, FINISH_MS), commit_all(job, works, count, &ignored), -1)
                      : commit_all(job, works, count, err);
}

static int take_all(struct source *source, struct work *works, size_t count, struct error *err)
{
    CLEANUP(claims_drop)
    struct claims claims = { arena_alloc(job_arena(source->job), (count + 1) * sizeof(*claims.held)), count };
    size_t here;

    if (look(source->job, works, count, &here, err) < 0)
        return -1;
    source->unpacked = here < count;
    if (claim_missing(source->job, works, count, &here, &claims, err) < 0)
        return -1;
    for (size_t i = here; i < count; i++)
        works[i].unpack = true;
    return take_each(source, works, count, err);
}

static int check_type(const struct layer *layer, struct error *err)
{
    if (media_of(layer->blob.media_type).kind == MEDIA_LAYER)
        return 0;
    error_set(err, ERROR_UNIMPLEMENTED, "layer %.19s has the type %.100s, which cannot be unpacked",
              layer->blob.digest, layer->blob.media_type);
    return error_hint(err, "pull it with no_unpack, to have its blobs only");
}

int layers_take(struct source *source, const struct images_config *config, const char *driver,
                bool no_unpack, struct variant *variant, struct error *err)
{
    size_t count = variant->layer_count;
    struct work *works = arena_alloc(job_arena(source->job), (count + 1) * sizeof(*works));

    if (count == 0)
        return 0;
    no_unpack = no_unpack || !variant->is_image;
    for (size_t i = 0; i < count; i++) {
        works[i] = (struct work){ .source = source,
                                  .config = config,
                                  .driver = driver,
                                  .layer = &variant->layers[i],
                                  .index = i,
                                  .count = count,
                                  .below = i > 0 ? variant->layers[i - 1].chain_id : NULL };
        if (!no_unpack && check_type(works[i].layer, err) < 0)
            return -1;
    }
    if (!no_unpack && driver_is_plugin(driver))
        hints_take(works, count, variant);
    if (!no_unpack)
        return take_all(source, works, count, err);
    if (job_each(source->job, layer_job, works, count, sizeof(*works), config->downloads, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        source->downloaded += works[i].downloaded;
    return 0;
}
