/*
 * Commit: a container's files become an image.  A job.
 *
 * The happy path is a layer of what the container's snapshot differs from its image in -> the
 * image's config with one layer more, and as is wished -> a manifest -> images.adopt, which unpacks
 * the layer (so that what runs is what the digest says) and names it.  All of it hangs on a lease
 * until the name is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/base/containers.h"
#include "actors/base/lease.h"
#include "actors/containers/containers.h"
#include "platform/packing.h"
#include "platform/scope.h"
#include "protocol/json.h"
#include "protocol/oci/changes.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/draft.h"
#include "protocol/oci/media.h"
#include "protocol/oci/name.h"
#include "protocol/oci/said.h"
#include "protocol/oci/spec_places.h"

#define DOCUMENT_MAX (4u << 20)

struct committing {
    struct job *job;
    const struct containers_commit_request *want;
    struct held_lease lease;
    struct container_info container;
    struct images_inspect_reply image;
    struct snapshots_diff_reply diff;
    int64_t now;
    bool paused;
};

/* ---- what it is made of ------------------------------------------------------------------------
 */

/* NOT_FOUND: that name is another image's. */
static int inspect(struct committing *committing, const char *name, struct error *err)
{
    const struct images_inspect_request want = { .name = name };

    if (call(committing->job, &op_images_inspect, &want, &committing->image, err) < 0)
        return -1;
    if (strcmp(committing->image.config->digest, committing->container.image_id) == 0)
        return 0;
    return error_set(err, ERROR_NOT_FOUND, "%.100s is another image", name);
}

/* All digits of an id could be no name; so many could be no other image. */
static const char *id_begin(const char *id, struct arena *arena)
{
    const char *digits = strchr(id, ':');

    return arena_printf(arena, "%.60s", digits != NULL ? digits + 1 : id);
}

/* Of a container that a program has made of a spec: without layers, so its snapshot must stand on
   none (check_parent). */
static int take_nothing(struct committing *committing)
{
    committing->image = (struct images_inspect_reply){
        .config_json = arena_printf(job_arena(committing->job),
                                    "{\"architecture\":\"%s\",\"os\":\"%s\",\"config\":{},"
                                    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
                                    machine_arch(), machine_os()),
    };
    return 0;
}

/* By the name it was made from, if that still means the same; else by its id. */
static int take_image(struct committing *committing, struct error *err)
{
    const struct container_info *container = &committing->container;
    const char *id = container->image_id;

    if (container->snapshot == NULL || container->spec == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "has no root file system");
    if (id == NULL)
        return take_nothing(committing);
    if (inspect(committing, container->image, err) == 0)
        return 0;
    if (inspect(committing, id_begin(id, job_arena(committing->job)), err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND)
        return -1;
    error_set(err, ERROR_FAILED_PRECONDITION, "its image %.100s (%.19s) is not here any more",
              container->image, id);
    return error_hint(err, "pull it, then commit again");
}

/* The layer goes on top of the image's: so must the container. */
static int check_parent(struct committing *committing, struct error *err)
{
    const struct snapshots_key_request want = { .key = committing->container.snapshot,
                                                .driver = committing->container.driver };
    const char *top = committing->image.chain_id;
    struct snapshot_info snapshot;

    if (call(committing->job, &op_snapshots_stat, &want, &snapshot, err) < 0)
        return -1;
    if (top == NULL ? snapshot.parent == NULL
                    : snapshot.parent != NULL && strcmp(snapshot.parent, top) == 0)
        return 0;
    return error_set(
        err, ERROR_FAILED_PRECONDITION, "its snapshot stands on %.80s, its image is %.80s",
        snapshot.parent != NULL ? snapshot.parent : "nothing",
        top != NULL                               ? top
        : committing->container.image_id == NULL ? "none"
                                                  : "empty");
}

/* NULL: nothing runs, or it is not to stand still. */
static const char *task_to_stop(struct committing *committing)
{
    const struct containers_commit_request *want = committing->want;
    const struct tasks_get_request which = { .id = committing->container.id };
    struct task_info task;
    struct error ended;

    if ((want->has_pause && !want->pause) ||
        call(committing->job, &op_tasks_get, &which, &task, &ended) < 0)
        return NULL;
    return task.has_pid ? task.folder : NULL;
}

static int make_layer(struct committing *committing, struct error *err)
{
    const struct containers_commit_request *want = committing->want;
    const struct container_info *container = &committing->container;
    struct snapshots_diff_request diff = {
        .key = container->snapshot,
        .driver = container->driver,
        .media_type = want->media_type,
        .latest = want->latest,
        .has_latest = want->has_latest,
        .still = task_to_stop(committing),
        SET(must_still, want->has_pause && want->pause),
    };

    if (spec_places(container->spec, strlen(container->spec), job_arena(committing->job),
                    &diff.exclude, err) < 0)
        return -1;
    if (call(committing->job, &op_snapshots_diff, &diff, &committing->diff, err) < 0)
        return -1;
    committing->paused = diff.still != NULL && committing->diff.still;
    return 0;
}

/* ---- documents ---------------------------------------------------------------------------------
 */

static int write_file(const char *path, const struct buffer *text, struct error *err)
{
    CLEANUP(file_close) int file = -1;

    if (file_open_append(path, 0, &file, err) < 0)
        return -1;
    return file_write(file, text->data, text->size, err);
}

static int keep(struct job *job, const char *ref, const char *digest, struct error *err)
{
    const struct content_commit_request commit = { .ref = ref,
                                                   .digest = digest,
                                                   SET(hashed, true) };

    return call(job, &op_content_commit, &commit, NULL, err) == 0 ||
                   err->code == ERROR_ALREADY_EXISTS
               ? 0
               : -1;
}

static int store(struct committing *committing, const char *digest, const struct buffer *text,
                 struct error *err)
{
    char id[33], ref[48];
    const struct content_ingest_request ingest = { .ref = ref, .digest = digest };
    const struct content_abort_request abort = { .ref = ref };
    struct content_ingest_reply place;

    job_new_id(id);
    snprintf(ref, sizeof(ref), JOB_INGEST "%s", id);
    if (call(committing->job, &op_content_ingest, &ingest, &place, err) == 0 &&
        (place.present || (write_file(place.path, text, err) == 0 &&
                           keep(committing->job, ref, digest, err) == 0)))
        return 0;
    call_finally(committing->job, &op_content_abort, &abort);
    return -1;
}

/* Takes the document. */
static int put(struct committing *committing, json_t *document, const char *media_type,
               struct descriptor *blob, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = { 0 };
    char digest[DIGEST_TEXT_SIZE];
    int result = draft_write(document, DOCUMENT_MAX, &text, err);

    json_decref(document);
    if (result < 0 || digest_of("sha256", text.data, text.size, digest, err) < 0)
        return -1;
    *blob = (struct descriptor){ .media_type = media_type,
                                 .digest = arena_str(job_arena(committing->job), digest),
                                 .size = text.size };
    return store(committing, blob->digest, &text, err);
}

static json_t *member(json_t *object, const char *key, json_t *(*make)(void))
{
    json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value))
        draft_put(object, key, make());
    return json_object_get(object, key);
}

static json_t *history_of(const struct committing *committing, const char *created)
{
    const struct containers_commit_request *want = committing->want;
    json_t *entry = draft_object();

    draft_put(entry, "created", draft_text(created));
    draft_put(entry, "created_by",
              draft_text(committing->container.command != NULL ? committing->container.command
                                                               : "gantry commit"));
    if (want->author != NULL)
        draft_put(entry, "author", draft_text(want->author));
    draft_put(entry, "comment", draft_text(want->message != NULL ? want->message : ""));
    return entry;
}

/* The image's, with all that it says besides; what the container was told; what is said now. */
static int config_change(const struct committing *committing, json_t *config, struct error *err)
{
    char created[TIME_TEXT_SIZE];
    json_t *inner = member(config, "config", draft_object),
           *diff_ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids"),
           *history = member(config, "history", draft_array);

    if (!json_is_object(inner) || !json_is_array(diff_ids) || !json_is_array(history))
        return error_set(err, ERROR_DATA_LOSS, "its image's config is malformed");
    time_text(committing->now, created);
    draft_put(config, "created", draft_text(created));
    if (committing->want->author != NULL)
        draft_put(config, "author", draft_text(committing->want->author));
    draft_add(diff_ids, draft_text(committing->diff.diff_id));
    draft_add(history, history_of(committing, created));
    if (said_apply(inner, &committing->container, err) < 0)
        return -1;
    return changes_apply(inner, &committing->want->changes, err);
}

static int make_config(struct committing *committing, struct descriptor *blob, struct error *err)
{
    const char *text = committing->image.config_json;
    json_t *config = draft_read(text, strlen(text), err);

    if (config == NULL)
        return -1;
    if (config_change(committing, config, err) < 0) {
        json_decref(config);
        return -1;
    }
    return put(committing, config, MEDIA_OCI_CONFIG, blob, err);
}

/* In a manifest of OCI's no type is docker's. */
static const char *layer_type(const char *type)
{
    static const char *const types[] = { "application/vnd.oci.image.layer.v1.tar",
                                         "application/vnd.oci.image.layer.v1.tar+gzip",
                                         "application/vnd.oci.image.layer.v1.tar+zstd" };
    struct media media = media_of(type);

    return media.kind == MEDIA_LAYER && media.docker && !media.foreign ? types[media.compression]
                                                                       : type;
}

static json_t *descriptor_of(const struct descriptor *blob, const char *type)
{
    json_t *object = draft_object();

    draft_put(object, "mediaType", draft_text(type));
    draft_put(object, "digest", draft_text(blob->digest));
    draft_put(object, "size", draft_size(blob->size));
    return object;
}

static int make_manifest(struct committing *committing, const struct descriptor *config,
                         struct descriptor *blob, struct error *err)
{
    const struct image_layer *layers = committing->image.layers.items;
    json_t *manifest = draft_object(), *list = draft_array();

    for (size_t i = 0; i < committing->image.layers.count; i++)
        draft_add(list, descriptor_of(layers[i].blob, layer_type(layers[i].blob->media_type)));
    draft_add(list,
              descriptor_of(committing->diff.blob, layer_type(committing->diff.blob->media_type)));
    draft_put(manifest, "schemaVersion", draft_number(2));
    draft_put(manifest, "mediaType", draft_text(MEDIA_OCI_MANIFEST));
    draft_put(manifest, "config", descriptor_of(config, MEDIA_OCI_CONFIG));
    draft_put(manifest, "layers", list);
    return put(committing, manifest, MEDIA_OCI_MANIFEST, blob, err);
}

/* ---- all
 * ----------------------------------------------------------------------------------------- */

static int make_image(struct committing *committing, struct containers_commit_reply *out,
                      struct error *err)
{
    struct arena *arena = job_arena(committing->job);
    struct descriptor config, *manifest = arena_alloc(arena, sizeof(*manifest));
    struct image_info *image = arena_alloc(arena, sizeof(*image));
    struct images_adopt_request adopt = { .target = manifest,
                                          .driver = committing->container.driver };

    if (make_config(committing, &config, err) < 0 ||
        make_manifest(committing, &config, manifest, err) < 0)
        return -1;
    adopt.name = committing->want->name != NULL
                     ? committing->want->name
                     : arena_printf(arena, "localhost/committed@%s", manifest->digest);
    if (call(committing->job, &op_images_adopt, &adopt, image, err) < 0)
        return -1;
    *out = (struct containers_commit_reply){ .image = image,
                                             .layer = committing->diff.blob,
                                             .paused = committing->paused };
    return 0;
}

static int commit_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct containers_commit_request *want = in;
    struct committing committing = { .job = job, .want = want, .now = clock_now() };
    const struct containers_get_request which = { .id = want->id };
    int result;

    if (want->has_latest && committing.now > want->latest)
        committing.now = want->latest;
    if (call(job, &op_containers_get, &which, &committing.container, err) < 0)
        return -1;
    lease_have(&committing.lease, job);
    result = take_image(&committing, err) < 0 || check_parent(&committing, err) < 0 ||
                     make_layer(&committing, err) < 0 ||
                     make_image(&committing, out, err) < 0
                 ? error_wrap(err, "commit %.100s", want->id)
                 : 0;
    lease_drop(&committing.lease);
    return result;
}

/* What would be wrong in the end is said at once. */
static int changes_check(const struct strs *changes, struct error *err)
{
    json_t *nothing = draft_object();
    int result = changes_apply(nothing, changes, err);

    json_decref(nothing);
    return result;
}

int on_containers_commit(void *self, struct request *request, struct error *err)
{
    const struct containers_commit_request *in = request_body(request);
    struct reference reference;

    (void)self;
    if (in->name != NULL && reference_parse(in->name, &reference, err) < 0)
        return -1;
    if (in->media_type != NULL && media_of(in->media_type).kind != MEDIA_LAYER)
        return error_set(err, ERROR_INVALID_ARGUMENT, "media type '%.100s': is none of a layer",
                         in->media_type);
    if (changes_check(&in->changes, err) < 0)
        return -1;
    return request_run(request, commit_job, err);
}
