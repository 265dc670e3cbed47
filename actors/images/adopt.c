/*
 * Adopt: blobs that are here become an image, as after a pull.
 *
 * The happy path is walk the documents -> label each with what it leads to -> unpack the host's
 * variant -> name.  An index may lead to manifests that are not here (another platform's, which
 * were not saved): one must be.  A manifest that is here must be here whole.
 */
#include "actors/base/lease.h"
#include "actors/images/images.h"
#include "actors/images/layers.h"
#include "actors/images/verify.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define REF_CONTENT "containerd.io/gc.ref.content."

struct adoption {
    struct source source;
    size_t manifests; /* that are here */
};

static int needs(struct job *job, const struct descriptor *blob, struct error *err)
{
    int found = blob_is_here(job, blob, err);

    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "blob %s is missing", blob->digest);
    return found < 0 ? -1 : 0;
}

static int label(struct job *job, const char *digest, const struct map *labels, struct error *err)
{
    struct content_label_request want = { .digest = digest, .labels = *labels };

    return labels->count > 0 ? call(job, &op_content_label, &want, NULL, err) : 0;
}

static int adopt_manifest(struct adoption *adoption, const struct descriptor *blob,
                          const struct bin *bytes, struct error *err)
{
    struct job *job = adoption->source.job;
    struct arena *arena = job_arena(job);
    struct oci_manifest manifest;
    struct map labels = { 0 };

    if (manifest_parse(bytes->data, bytes->size, blob->media_type, arena, &manifest, err) < 0 ||
        needs(job, &manifest.config.blob, err) < 0)
        return -1;
    labels.entries = arena_alloc(arena, (manifest.layer_count + 1) * sizeof(*labels.entries));
    labels.entries[labels.count++] =
        (struct map_entry){ REF_CONTENT "config", manifest.config.blob.digest };
    for (size_t i = 0; i < manifest.layer_count; i++) {
        const struct descriptor *layer = &manifest.layers[i].blob;
        bool is_foreign = media_of(layer->media_type).foreign; /* is got from where its urls lead */
        int found = is_foreign ? blob_is_here(job, layer, err) : needs(job, layer, err);

        if (found < 0)
            return -1;
        if (is_foreign && found == 0)
            continue;
        labels.entries[labels.count++] =
            (struct map_entry){ arena_printf(arena, REF_CONTENT "l.%zu", i), layer->digest };
    }
    adoption->manifests++;
    return label(job, blob->digest, &labels, err);
}

static int adopt_document(struct adoption *adoption, const struct descriptor *blob, unsigned depth,
                          struct error *err);

static int adopt_index(struct adoption *adoption, const struct descriptor *blob,
                       const struct bin *bytes, unsigned depth, struct error *err)
{
    struct job *job = adoption->source.job;
    struct arena *arena = job_arena(job);
    struct map labels = { 0 };
    struct oci_index index;

    if (depth >= INDEX_DEPTH_MAX)
        return error_set(err, ERROR_DATA_LOSS, "indexes are nested deeper than %d",
                         INDEX_DEPTH_MAX);
    if (index_parse(bytes->data, bytes->size, blob->media_type, arena, &index, err) < 0)
        return -1;
    labels.entries = arena_alloc(arena, index.count * sizeof(*labels.entries));
    for (size_t i = 0; i < index.count; i++) {
        const struct descriptor *entry = &index.entries[i].blob;
        int found = index_repeats(&index, &index.entries[i]) ? 0 : blob_is_here(job, entry, err);

        if (found < 0 || (found == 1 && adopt_document(adoption, entry, depth + 1, err) < 0))
            return -1;
        if (found == 1)
            labels.entries[labels.count++] =
                (struct map_entry){ arena_printf(arena, REF_CONTENT "m.%zu", i), entry->digest };
    }
    return label(job, blob->digest, &labels, err);
}

static int adopt_document(struct adoption *adoption, const struct descriptor *blob, unsigned depth,
                          struct error *err)
{
    struct descriptor known;
    struct bin bytes;

    if (source_count(&adoption->source, blob->size, err) < 0 ||
        needs(adoption->source.job, blob, err) < 0 ||
        document_get(adoption->source.job, blob, &known, &bytes, err) < 0)
        return -1;
    return media_of(known.media_type).kind == MEDIA_INDEX
               ? adopt_index(adoption, &known, &bytes, depth, err)
               : adopt_manifest(adoption, &known, &bytes, err);
}

/* The driver's variant, if there is one: its snapshots, its id and its size. */
static int take_variant(struct adoption *adoption, const struct images_adopt_request *want,
                        struct images_put_request *put, struct error *err)
{
    const struct images *images = job_self(adoption->source.job);
    const char *driver = want->driver;
    bool no_unpack = want->has_no_unpack && want->no_unpack;
    struct platform platform;
    struct variant *variant = arena_alloc(job_arena(adoption->source.job), sizeof(*variant));

    if (platform_wanted(driver_platform(images->config, driver), &platform, err) < 0)
        return -1;
    if (variant_find(&adoption->source, want->target, &platform, variant, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1;
    put->id = variant->config_blob.digest;
    put->size = variant->size;
    put->has_size = true;
    if (no_unpack || !variant->is_image || variant->layer_count == 0)
        return 0;
    adoption->source.name = want->name;
    if (layers_take(&adoption->source, images->config, driver, false, variant, err) < 0)
        return -1;
    return snapshots_keep(adoption->source.job, variant, driver, err);
}

static int adopt(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_adopt_request *want = in;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct adoption adoption = { .source = { .job = job } };
    struct images_put_request put = { .name = want->name,
                                      .target = want->target,
                                      .labels = want->labels };

    lease_have(&lease, job);
    if (image_verify(job, want->name, want->target, err) < 0)
        return -1;
    if (adopt_document(&adoption, want->target, 0, err) < 0)
        return error_wrap(err, "image %.100s", want->name);
    if (adoption.manifests == 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "image %.100s: none of the manifests that its index names is here",
                         want->name);
    if (take_variant(&adoption, want, &put, err) < 0)
        return error_wrap(err, "image %.100s", want->name);
    return call(job, &op_images_put, &put, out, err);
}

int on_images_adopt(void *self, struct request *request, struct error *err)
{
    struct images_adopt_request *in = (void *)(uintptr_t)request_body(request);
    struct reference reference;

    driver_settle(self, request, &in->driver);
    if (reference_parse(in->name, &reference, err) < 0 ||
        digest_require(in->target->digest, err) < 0 || labels_check(&in->labels, err) < 0)
        return -1;
    return request_run(request, adopt, err);
}
