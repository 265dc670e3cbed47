/*
 * Diff: what two snapshots differ in, as a layer or as a list.  Jobs.
 *
 * The happy path is mounts -> ingest -> the helper writes into its file -> commit.  No byte of the
 * layer comes by here.  What fails leaves nothing: the ingest is given up, views go.
 */
#include <stdio.h>

#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/snapshots/compare.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/media.h"
#include "protocol/oci/name.h"

#define MEDIA_DEFAULT "application/vnd.oci.image.layer.v1.tar+gzip"
#define UNCOMPRESSED  "containerd.io/uncompressed" /* label: the diff id */
#define SECOND        1000000000

/* The helper's last word. */
static int pack(struct job *job, const struct packing_layer *layer, struct packing_news *news,
                struct error *err)
{
    CLEANUP(packing_drop) struct packing packing = { 0 };
    struct progress progress = { .stage = "pack", .unit = "bytes" };

    if (packing_layer(layer, &packing, err) < 0)
        return -1;
    do {
        if (job_wait(job, packing_fd(&packing), JOB_FD, -1, err) < 0 ||
            packing_next(&packing, news, err) < 0)
            return -1;
        progress.done = news->bytes;
        progress.has_done = true;
        job_report(job, &progress);
    } while (news->kind != PACKING_DONE);
    return 0;
}

/* With what the reader wants to know of it: what it unpacks to. */
static struct map labels_of(const struct map *given, const char *diff_id, struct arena *arena)
{
    struct map_entry *entries = arena_alloc(arena, (given->count + 1) * sizeof(*entries));
    size_t count = given->count;

    if (count > 0)
        memcpy(entries, given->entries, count * sizeof(*entries));
    if (map_get(given, UNCOMPRESSED) == NULL)
        entries[count++] = (struct map_entry){ UNCOMPRESSED, diff_id };
    return (struct map){ count, entries };
}

/* Somebody may have made the same layer before. */
static int keep(struct job *job, const struct content_commit_request *commit, struct error *err)
{
    const struct content_label_request label = { .digest = commit->digest,
                                                 .labels = commit->labels };

    if (call(job, &op_content_commit, commit, NULL, err) == 0)
        return 0;
    return err->code == ERROR_ALREADY_EXISTS ? call(job, &op_content_label, &label, NULL, err) : -1;
}

static int write_layer(struct job *job, const struct snapshots_diff_request *want,
                       const struct compared *compared, const char *ref, const char *path,
                       struct snapshots_diff_reply *out, struct error *err)
{
    const char *type = want->media_type != NULL ? want->media_type : MEDIA_DEFAULT;
    int64_t latest = want->latest / SECOND;
    const struct packing_layer layer = {
        .trees = { &compared->before.mounts, &compared->after.mounts, &want->exclude },
        .file = path,
        .compression = compression_name(media_of(type).compression),
        .latest = want->has_latest ? &latest : NULL,
        .still = want->still,
        .must_still = want->has_must_still && want->must_still,
    };
    struct descriptor *blob = arena_alloc(job_arena(job), sizeof(*blob));
    struct content_commit_request commit = { .ref = ref, SET(hashed, true) };
    struct packing_news news;

    if (pack(job, &layer, &news, err) < 0)
        return -1;
    *blob = (struct descriptor){ .media_type = type,
                                 .digest = arena_str(job_arena(job), news.digest),
                                 .size = news.packed };
    *out = (struct snapshots_diff_reply){ .blob = blob,
                                          .diff_id = arena_str(job_arena(job), news.diff_id),
                                          .unpacked = news.unpacked,
                                          .entries = news.entries,
                                          SET(still, news.still) };
    commit.digest = blob->digest;
    commit.labels = labels_of(&want->labels, out->diff_id, job_arena(job));
    return keep(job, &commit, err);
}

static int diff_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct snapshots_diff_request *want = in;
    CLEANUP(compared_drop) struct compared compared = { 0 };
    struct content_ingest_reply place;
    char id[33], ref[48];
    const struct content_ingest_request ingest = { .ref = ref };
    const struct content_abort_request abort = { .ref = ref };

    job_new_id(id);
    snprintf(ref, sizeof(ref), JOB_INGEST "%s", id);
    if (compared_open(&compared, job, want->driver, want->key, want->parent, err) < 0)
        return -1;
    if (call(job, &op_content_ingest, &ingest, &place, err) == 0 &&
        write_layer(job, want, &compared, ref, place.path, out, err) == 0)
        return 0;
    call_finally(job, &op_content_abort, &abort);
    return error_wrap(err, "diff %.100s", want->key);
}

static int diff_check(const struct snapshots_diff_request *in, struct error *err)
{
    if (in->media_type != NULL &&
        (media_of(in->media_type).kind != MEDIA_LAYER || media_of(in->media_type).foreign)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "media type '%.100s': is none of a layer",
                  in->media_type);
        return error_hint(err, "for example " MEDIA_DEFAULT);
    }
    return labels_check(&in->labels, err);
}

int on_snapshot_diff(void *self, struct request *request, struct error *err)
{
    const struct snapshots_diff_request *in = request_body(request);

    (void)self;
    if (in->still != NULL && !request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "snapshots.diff: still is said inside the daemon only");
    return diff_check(in, err) < 0 ? -1 : request_run(request, diff_job, err);
}

/* ---- the list -------------------------------------------------------------------------------- */

static int changes_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct snapshots_changes_request *want = in;
    CLEANUP(compared_drop) struct compared compared = { 0 };
    CLEANUP(packing_drop) struct packing packing = { 0 };
    struct packing_trees trees = { &compared.before.mounts, &compared.after.mounts,
                                   &want->exclude };
    struct packing_news news = { 0 };

    (void)out;
    if (compared_open(&compared, job, want->driver, want->key, want->parent, err) < 0 ||
        packing_changes(&trees, &packing, err) < 0)
        return -1;
    do {
        if (job_wait(job, packing_fd(&packing), JOB_FD, -1, err) < 0 ||
            packing_next(&packing, &news, err) < 0)
            return error_wrap(err, "diff %.100s", want->key);
        if (news.kind == PACKING_DATA &&
            job_send_credited(job, "changes", news.data, news.size, false, err) < 0)
            return -1;
    } while (news.kind != PACKING_DONE);
    job_send(job, "changes", NULL, 0, true);
    return 0;
}

int on_snapshot_changes(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, changes_job, err);
}
