/* What is here of an image: its documents, and its snapshots where they are wanted. */
#include "actors/base/lease.h"
#include "actors/images/images.h"
#include "actors/images/layers.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

static void fill(struct job *job, const struct variant *variant, struct images_inspect_reply *reply)
{
    struct arena *arena = job_arena(job);
    struct descriptor *documents = arena_alloc(arena, 2 * sizeof(*documents));
    struct image_layer *layers = arena_alloc(arena, variant->layer_count * sizeof(*layers));
    char platform[PLATFORM_TEXT_SIZE];

    documents[0] = variant->manifest_blob;
    documents[1] = variant->config_blob;
    reply->manifest = &documents[0];
    reply->config = &documents[1];
    reply->manifest_json = arena_copy(arena, variant->manifest_bytes.data, variant->manifest_bytes.size);
    reply->config_json = arena_copy(arena, variant->config_bytes.data, variant->config_bytes.size);
    for (size_t i = 0; i < variant->layer_count; i++)
        layers[i] = (struct image_layer){
            .blob = &variant->layers[i].blob,
            .diff_id = variant->layers[i].diff_id ? variant->layers[i].diff_id : "",
            .chain_id = variant->layers[i].chain_id,
        };
    reply->layers = (struct list){ variant->layer_count, layers };
    if (!variant->is_image)
        return;
    reply->platform = arena_str(arena, platform_text(&variant->config.platform, platform));
    if (variant->layer_count > 0)
        reply->chain_id = variant->layers[variant->layer_count - 1].chain_id;
}

static int find(struct job *job, const struct images_inspect_request *want, struct source *source,
                struct variant *variant, struct images_inspect_reply *reply, struct error *err)
{
    struct images_get_request which = { .name = want->name };
    struct image_info *image = arena_alloc(job_arena(job), sizeof(*image));
    struct platform platform;

    *source = (struct source){ .job = job };
    if (platform_wanted(want->platform, &platform, err) < 0 || call(job, &op_images_get, &which, image, err) < 0)
        return -1;
    if (variant_find(source, image->target, &platform, variant, err) < 0)
        return error_wrap(err, "image %.100s", image->name);
    reply->image = image;
    fill(job, variant, reply);
    return 0;
}

static int inspect(struct job *job, const void *in, void *out, struct error *err)
{
    struct source source;
    struct variant variant;

    return find(job, in, &source, &variant, out, err);
}

int snapshots_keep(struct job *job, const struct variant *variant, const char *driver, struct error *err)
{
    struct map_entry leads = {
        arena_printf(job_arena(job), "containerd.io/gc.ref.snapshot.%s", driver),
        variant->layers[variant->layer_count - 1].chain_id,
    };
    struct content_label_request want = { .digest = variant->config_blob.digest, .labels = { 1, &leads } };

    return call(job, &op_content_label, &want, NULL, err);
}

static int take_layer(struct job *job, const char *driver, struct images_inspect_reply *reply, struct error *err)
{
    struct snapshots_key_request top = { .driver = driver, .key = reply->chain_id };
    struct snapshot_info snapshot;

    if (top.key == NULL)
        return 0;
    if (call(job, &op_snapshots_stat, &top, &snapshot, err) < 0)
        return -1;
    reply->layer = snapshot.layer;
    reply->has_layer = snapshot.has_layer;
    return 0;
}

/* An unpacking that is under way. */
struct unpacking {
    const struct images_inspect_request *want;
    struct buffer packed; /* the answer, when there is one */
};

static int unpack(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    struct unpacking *unpacking = *(struct unpacking *const *)in;
    const struct images_inspect_request *want = unpacking->want;
    const char *driver = want->driver;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct source source;
    struct variant variant;

    if (find(job, want, &source, &variant, out, err) < 0)
        return -1;
    if (!variant.is_image)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%.100s is not an image: its config has the type %.100s", want->name,
                         variant.config_blob.media_type);
    lease_have(&lease, job);
    source.name = ((struct images_inspect_reply *)out)->image->name;
    if (layers_take(&source, images->config, driver, false, &variant, err) < 0 ||
        (source.unpacked && snapshots_keep(job, &variant, driver, err) < 0) || take_layer(job, driver, out, err) < 0)
        return error_wrap(err, "unpack %.100s", want->name);
    record_pack(images_inspect_reply_record(), out, &unpacking->packed);
    return 0;
}

static void unpacked(void *self, struct request *request, void *arg)
{
    struct images *images = self;
    struct unpacking *unpacking = arg;
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct images_inspect_reply reply;
    struct error ignored;

    if (unpacking->packed.size > 0 &&
        record_unpack(images_inspect_reply_record(), RECORD_LENIENT, unpacking->packed.data, unpacking->packed.size,
                      &reply, arena, &ignored) == 0)
        recent_put(&images->recent, request_namespace(request), reply.image->target->digest, unpacking->want->platform,
                   &unpacking->packed);
    buffer_free(&unpacking->packed);
}

static int snapshot_is_here(struct images *images, const char *namespace, const char *driver,
                            struct images_inspect_reply *reply, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (reply->chain_id == NULL)
        return 1;
    if (db_query(images->db, &query, err,
                 "SELECT layer FROM snapshots_snapshot WHERE namespace = ? AND driver = ? AND key = ?", "sss", namespace,
                 driver, reply->chain_id) < 0)
        return -1;
    found = query_next(&query, err);
    reply->has_layer = found == 1;
    reply->layer = found == 1 ? (uint64_t)query_int(&query, 0) : 0;
    return found;
}

/* 1: it was unpacked a short while ago, and that is still there; `reply` says what. */
static int find_recent(struct images *images, struct request *request, struct images_inspect_reply *reply,
                       struct error *err)
{
    const struct images_inspect_request *want = request_body(request);
    const char *namespace = request_namespace(request);
    struct image_info *image = arena_alloc(request_arena(request), sizeof(*image));

    if (image_find(images->db, namespace, want->name, request_arena(request), image, err) < 0)
        return -1;
    if (!recent_find(&images->recent, namespace, image->target->digest, want->platform, reply, request_arena(request)))
        return 0;
    reply->image = image;
    return snapshot_is_here(images, namespace, want->driver, reply, err);
}

int on_images_inspect(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, inspect, err);
}

int on_images_unpack(void *self, struct request *request, struct error *err)
{
    const struct images *images = self;
    struct unpacking *unpacking = arena_alloc(request_arena(request), sizeof(*unpacking)), **in;
    struct images_inspect_request *want = (void *)(uintptr_t)request_body(request);
    struct images_inspect_reply reply;
    int found;

    driver_settle(self, request, &want->driver);
    if (want->platform == NULL)
        want->platform = driver_platform(images->config, want->driver);
    found = find_recent(self, request, &reply, err);
    if (found != 0)
        return found < 0 ? -1 : request_reply(request, &reply);
    unpacking->want = want;
    in = arena_alloc(request_arena(request), sizeof(struct unpacking *));
    *in = unpacking;
    request_on_end(request, unpacked, unpacking);
    return request_run_on(request, unpack, in, err);
}
