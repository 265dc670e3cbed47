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

/* The config leads to the snapshots, as after a pull. */
static int keep_snapshots(struct job *job, const struct variant *variant, const char *driver, struct error *err)
{
    struct map_entry leads = {
        arena_printf(job_arena(job), "containerd.io/gc.ref.snapshot.%s", driver),
        variant->layers[variant->layer_count - 1].chain_id,
    };
    struct content_label_request want = { .digest = variant->config_blob.digest, .labels = { 1, &leads } };

    return call(job, &op_content_label, &want, NULL, err);
}

static int unpack(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    const char *driver = images->config->default_driver;
    const struct images_inspect_request *want = in;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct source source;
    struct variant variant;

    if (find(job, want, &source, &variant, out, err) < 0)
        return -1;
    if (!variant.is_image)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%.100s is not an image: its config has the type %.100s", want->name,
                         variant.config_blob.media_type);
    if (job_lease(job) == NULL && lease_take(&lease, job, err) < 0)
        return -1;
    if (layers_take(&source, images->config, driver, false, &variant, err) < 0 ||
        (source.unpacked && keep_snapshots(job, &variant, driver, err) < 0))
        return error_wrap(err, "unpack %.100s", want->name);
    return 0;
}

int on_images_inspect(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, inspect, err);
}

int on_images_unpack(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, unpack, err);
}
