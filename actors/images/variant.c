/*
 * From a target to one platform's image.  The happy path is document -> (index: choose,
 * go on) -> manifest -> config.  Possible failures: nothing fits the platform (the error
 * says what there is, before any layer is fetched); a document is malformed, or is not
 * what its digest says.
 */
#include "actors/images/variant.h"

#include "actors/images/registry.h"
#include "actors/images/supply.h"
#include "platform/platform.h"
#include "platform/scope.h"

int platform_wanted(const char *text, struct platform *out, struct error *err)
{
    if (text != NULL)
        return platform_parse(text, out, err);
    *out = platform_of(machine_os(), machine_arch(), machine_variant(), NULL);
    return 0;
}

/* ---- fetching documents ------------------------------------------------------------------ */

int source_count(struct source *source, uint64_t size, struct error *err)
{
    source->documents++;
    source->document_bytes += size < IMAGE_CONFIG_BYTES_MAX ? size : IMAGE_CONFIG_BYTES_MAX; /* no larger one is read */
    if (source->documents <= DOCUMENTS_MAX && source->document_bytes <= DOCUMENT_BYTES_MAX)
        return 0;
    return error_set(err, ERROR_RESOURCE_EXHAUSTED, "it leads to more than %d documents, or more than %u MiB of them",
                     DOCUMENTS_MAX, DOCUMENT_BYTES_MAX >> 20);
}

static int take_document(struct source *source, const struct descriptor *blob, struct bin *out, struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct error missing = { 0 };

    if (digest_require(blob->digest, err) < 0 || source_count(source, blob->size, err) < 0)
        return -1;
    if (blob_get(source->job, blob, MANIFEST_BYTES_MAX, out, &missing) == 0)
        return 0;
    if (source->supply == NULL || missing.code == ERROR_CANCELLED || missing.code == ERROR_DEADLINE_EXCEEDED)
        return *err = missing, -1;
    if (supply_manifest(source->supply, source->job, blob->digest, blob->size, &document, err) < 0)
        return -1;
    *out = (struct bin){ arena_copy(job_arena(source->job), document.bytes, document.size), document.size };
    source->downloaded += document.size;
    return 0;
}

struct into_memory {
    struct buffer buffer;
};

static int to_memory(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct into_memory *memory = ctx;

    (void)err;
    memory->buffer.size = at; /* 0 again: what came before is void */
    buffer_add(&memory->buffer, data, size);
    return 0;
}

/* From hosts in turn, until one sends what was asked for. */
static int fetch_config(struct source *source, const struct registry_blob *want, struct into_memory *memory,
                        struct error *err)
{
    struct supply_trip trip;

    do {
        memory->buffer.size = 0;
        trip = (struct supply_trip){ 0 };
        if (supply_blob(source->supply, source->job, want, &trip, err) < 0)
            return -1;
        if (digest_verify(want->digest, memory->buffer.data, memory->buffer.size, err) == 0)
            return 0;
    } while (supply_distrust(source->supply, &trip));
    return -1;
}

static int take_config(struct source *source, const struct descriptor *blob, struct bin *out, struct error *err)
{
    struct into_memory memory = { 0 };
    struct registry_blob want = { .digest = blob->digest, .size = blob->size, .sink = to_memory, .ctx = &memory };
    struct error missing = { 0 };
    int result;

    if (digest_require(blob->digest, err) < 0)
        return -1;
    if (blob->size > IMAGE_CONFIG_BYTES_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "config %.19s has %llu bytes, the limit is %u", blob->digest,
                         (unsigned long long)blob->size, IMAGE_CONFIG_BYTES_MAX);
    if (source_count(source, blob->size, err) < 0)
        return -1;
    if (blob_get(source->job, blob, IMAGE_CONFIG_BYTES_MAX, out, &missing) == 0)
        return 0;
    if (source->supply == NULL || missing.code == ERROR_CANCELLED || missing.code == ERROR_DEADLINE_EXCEEDED)
        return *err = missing, -1;
    result = fetch_config(source, &want, &memory, err);
    if (result == 0) {
        *out = (struct bin){ arena_copy(job_arena(source->job), memory.buffer.data, memory.buffer.size), memory.buffer.size };
        source->downloaded += memory.buffer.size;
    }
    buffer_free(&memory.buffer);
    return result;
}

/* ---- labels: what a document leads to ------------------------------------------------------ */

#define REF_CONTENT "containerd.io/gc.ref.content."

static void add_label(struct map *labels, const char *key, const char *value)
{
    labels->entries[labels->count++] = (struct map_entry){ key, value };
}

static void add_origin(const struct source *source, struct map *labels)
{
    if (source->origin != NULL)
        add_label(labels, arena_printf(job_arena(source->job), "containerd.io/distribution.source.%s", source->origin),
                  source->repository);
}

static struct map labels_new(const struct source *source, size_t room)
{
    return (struct map){ 0, arena_alloc(job_arena(source->job), (room + 2) * sizeof(struct map_entry)) };
}

static int store_index(struct source *source, const struct descriptor *blob, const struct bin *bytes,
                       const struct oci_index *index, const struct oci_descriptor *chosen, struct error *err)
{
    struct map labels = labels_new(source, 1);

    if (source->supply == NULL)
        return 0; /* it came from the store */
    add_label(&labels, arena_printf(job_arena(source->job), REF_CONTENT "m.%zu", (size_t)(chosen - index->entries)),
              chosen->blob.digest);
    add_origin(source, &labels);
    return blob_put(source->job, blob->digest, bytes, &labels, err);
}

static int store_variant(struct source *source, const struct variant *variant, struct error *err)
{
    struct arena *arena = job_arena(source->job);
    struct map labels = labels_new(source, variant->layer_count + 1), config = labels_new(source, 1);

    if (source->supply == NULL)
        return 0;
    if (source->driver != NULL && variant->is_image && variant->layer_count > 0)
        add_label(&config, arena_printf(arena, "containerd.io/gc.ref.snapshot.%s", source->driver),
                  variant->layers[variant->layer_count - 1].chain_id);
    add_origin(source, &config);
    if (blob_put(source->job, variant->config_blob.digest, &variant->config_bytes, &config, err) < 0)
        return -1;
    add_label(&labels, REF_CONTENT "config", variant->config_blob.digest);
    for (size_t i = 0; i < variant->layer_count; i++)
        add_label(&labels, arena_printf(arena, REF_CONTENT "l.%zu", i), variant->layers[i].blob.digest);
    add_origin(source, &labels);
    return blob_put(source->job, variant->manifest_blob.digest, &variant->manifest_bytes, &labels, err);
}

/* ---- the manifest ---------------------------------------------------------------------------- */

static int take_layers(struct source *source, struct variant *variant, struct error *err)
{
    const struct oci_manifest *manifest = &variant->manifest;

    variant->layer_count = manifest->layer_count;
    variant->layers = arena_alloc(job_arena(source->job), manifest->layer_count * sizeof(*variant->layers));
    variant->size = variant->manifest_bytes.size + variant->config_bytes.size;
    for (size_t i = 0; i < manifest->layer_count; i++) {
        struct layer *layer = &variant->layers[i];

        layer->blob = manifest->layers[i].blob;
        if (media_of(layer->blob.media_type).foreign)
            layer->urls = manifest->layers[i].urls;
        variant->size += layer->blob.size;
        if (digest_require(layer->blob.digest, err) < 0)
            return -1;
        if (!variant->is_image)
            continue;
        layer->compression = media_of(layer->blob.media_type).compression;
        layer->diff_id = variant->config.diff_ids.items[i];
        if (digest_require(layer->diff_id, err) < 0 ||
            chain_id_next(i > 0 ? variant->layers[i - 1].chain_id : NULL, layer->diff_id, layer->chain_id, err) < 0)
            return -1;
    }
    return 0;
}

static int fits(const struct platform *wanted, const struct variant *variant, struct error *err)
{
    char want[PLATFORM_TEXT_SIZE], have[PLATFORM_TEXT_SIZE];

    if (!variant->is_image || platform_rank(wanted, &variant->config.platform) >= 0)
        return 0;
    return error_set(err, ERROR_NOT_FOUND, "no variant for %s (has: %s)", platform_text(wanted, want),
                     platform_text(&variant->config.platform, have));
}

/* `wanted` NULL: as it is, whatever it is; nobody will unpack it. */
static int take_manifest(struct source *source, const struct descriptor *blob, const struct bin *bytes,
                         const struct platform *wanted, struct variant *out, struct error *err)
{
    struct arena *arena = job_arena(source->job);

    *out = (struct variant){ .manifest_blob = *blob, .manifest_bytes = *bytes };
    if (manifest_parse(bytes->data, bytes->size, blob->media_type, arena, &out->manifest, err) < 0)
        return -1;
    out->config_blob = out->manifest.config.blob;
    out->is_image = wanted != NULL && manifest_is_image(&out->manifest);
    if (take_config(source, &out->config_blob, &out->config_bytes, err) < 0)
        return -1;
    if (out->is_image && (image_config_parse(out->config_bytes.data, out->config_bytes.size, arena, &out->config, err) < 0 ||
                          image_config_match(&out->config, &out->manifest, err) < 0))
        return -1;
    if (fits(wanted, out, err) < 0 || take_layers(source, out, err) < 0)
        return -1;
    return store_variant(source, out, err);
}

/* ---- the way there ------------------------------------------------------------------------------ */

static int follow(struct source *source, const struct descriptor *blob, const struct platform *wanted, unsigned depth,
                  struct variant *out, struct error *err);

static bool is_final(const struct error *err)
{
    return err->code == ERROR_CANCELLED || err->code == ERROR_DEADLINE_EXCEEDED || err->code == ERROR_UNAVAILABLE;
}

static int take_index(struct source *source, const struct descriptor *blob, const struct bin *bytes,
                      const struct platform *wanted, unsigned depth, struct variant *out, struct error *err)
{
    struct oci_index index;
    struct index_choice choice;

    if (depth >= INDEX_DEPTH_MAX)
        return error_set(err, ERROR_DATA_LOSS, "indexes are nested deeper than %d", INDEX_DEPTH_MAX);
    if (index_parse(bytes->data, bytes->size, blob->media_type, job_arena(source->job), &index, err) < 0 ||
        index_choose(&index, wanted, job_arena(source->job), &choice, err) < 0)
        return -1;
    if (choice.entry != NULL) {
        if (follow(source, &choice.entry->blob, wanted, depth + 1, out, err) < 0)
            return -1;
        return store_index(source, blob, bytes, &index, choice.entry, err);
    }
    for (size_t i = 0; i < choice.unsure_count; i++) {
        if (index_repeats(&index, choice.unsure[i]))
            continue;
        if (follow(source, &choice.unsure[i]->blob, wanted, depth + 1, out, err) == 0)
            return store_index(source, blob, bytes, &index, choice.unsure[i], err);
        if (is_final(err))
            return -1;
    }
    return -1;
}

/* Yields also what kind of document it is, where its descriptor does not say so. */
static int take_known(struct source *source, const struct descriptor *blob, struct descriptor *known, struct bin *bytes,
                      struct error *err)
{
    *known = *blob;
    if (take_document(source, blob, bytes, err) < 0)
        return -1;
    return document_settle(known, bytes, job_arena(source->job), err);
}

static int follow(struct source *source, const struct descriptor *blob, const struct platform *wanted, unsigned depth,
                  struct variant *out, struct error *err)
{
    struct descriptor known;
    struct bin bytes;

    if (take_known(source, blob, &known, &bytes, err) < 0)
        return -1;
    if (media_of(known.media_type).kind == MEDIA_INDEX)
        return take_index(source, &known, &bytes, wanted, depth, out, err);
    return take_manifest(source, &known, &bytes, wanted, out, err);
}

int variant_find(struct source *source, const struct descriptor *target, const struct platform *platform,
                 struct variant *out, struct error *err)
{
    return follow(source, target, platform, 0, out, err);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static int each(struct source *source, const struct descriptor *blob, unsigned depth, variant_one *one, void *ctx,
                struct error *err);

static int each_in_index(struct source *source, const struct descriptor *blob, const struct bin *bytes, unsigned depth,
                         variant_one *one, void *ctx, struct error *err)
{
    struct oci_index index;

    if (depth >= INDEX_DEPTH_MAX)
        return error_set(err, ERROR_DATA_LOSS, "indexes are nested deeper than %d", INDEX_DEPTH_MAX);
    if (index_parse(bytes->data, bytes->size, blob->media_type, job_arena(source->job), &index, err) < 0)
        return -1;
    for (size_t i = 0; i < index.count; i++)
        if (!index_repeats(&index, &index.entries[i]) &&
            (each(source, &index.entries[i].blob, depth + 1, one, ctx, err) < 0 ||
             store_index(source, blob, bytes, &index, &index.entries[i], err) < 0))
            return -1;
    return 0;
}

static int each(struct source *source, const struct descriptor *blob, unsigned depth, variant_one *one, void *ctx,
                struct error *err)
{
    struct variant *variant = arena_alloc(job_arena(source->job), sizeof(*variant));
    struct descriptor known;
    struct bin bytes;

    if (take_known(source, blob, &known, &bytes, err) < 0)
        return -1;
    if (media_of(known.media_type).kind == MEDIA_INDEX)
        return each_in_index(source, &known, &bytes, depth, one, ctx, err);
    if (take_manifest(source, &known, &bytes, NULL, variant, err) < 0)
        return -1;
    return one(ctx, variant, err);
}

int variants_each(struct source *source, const struct descriptor *target, variant_one *one, void *ctx, struct error *err)
{
    return each(source, target, 0, one, ctx, err);
}
