/* image_builder — documents by jansson, each written once and then only digested. */
#include "tests/helpers/image_builder.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define OCI    "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

static void must(bool well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "image_builder: %s\n", what);
    abort();
}

static const char *layer_type(const struct image_plan *plan, enum layer_packing packing)
{
    static const char *const oci[] = { OCI "layer.v1.tar+gzip", OCI "layer.v1.tar+zstd",
                                       OCI "layer.v1.tar" };
    static const char *const docker[] = { DOCKER "image.rootfs.diff.tar.gzip",
                                          DOCKER "image.rootfs.diff.tar.zstd",
                                          DOCKER "image.rootfs.diff.tar" };

    static const char *const foreign[] = { OCI "layer.nondistributable.v1.tar+gzip",
                                           OCI "layer.nondistributable.v1.tar+zstd",
                                           OCI "layer.nondistributable.v1.tar" };
    static const char *const docker_foreign[] = { DOCKER "image.rootfs.foreign.diff.tar.gzip",
                                                  DOCKER "image.rootfs.foreign.diff.tar.zstd",
                                                  DOCKER "image.rootfs.foreign.diff.tar" };

    if (plan->defects & IMAGE_UNKNOWN_LAYER)
        return "application/vnd.example.layer.v1.bzip2";
    if (plan->foreign)
        return plan->docker ? docker_foreign[packing] : foreign[packing];
    return plan->docker ? docker[packing] : oci[packing];
}

static json_t *descriptor(const char *type, const char *digest, size_t size)
{
    return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", digest, "size",
                     (json_int_t)size);
}

/* The document's bytes; takes the JSON. */
static struct built_blob document(json_t *json)
{
    struct built_blob blob = { .data = json_dumps(json, JSON_INDENT(1)) };

    must(blob.data != NULL, "no JSON");
    blob.size = strlen(blob.data);
    json_decref(json);
    return blob;
}

static void seal(struct built_blob *blob)
{
    blob_digest(blob->data, blob->size, blob->digest);
}

/* ---- config ------------------------------------------------------------------------ */

static json_t *diff_ids(const struct image_plan *plan, const struct built_image *image)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < image->layer_count; i++)
        json_array_append_new(ids, json_string(image->layers[i].tar.digest));
    if (plan->defects & IMAGE_WRONG_DIFF_ID)
        json_array_set_new(ids, 0,
                           json_string("sha256:00000000000000000000000000000000"
                                       "00000000000000000000000000000001"));
    if (plan->defects & IMAGE_FEWER_DIFF_IDS)
        json_array_remove(ids, json_array_size(ids) - 1);
    return ids;
}

static const char *os_of(const struct image_plan *plan)
{
    if (plan->defects & IMAGE_OTHER_PLATFORM)
        return "plan9";
    return plan->os != NULL ? plan->os : "linux";
}

static const char *architecture_of(const struct image_plan *plan)
{
    if (plan->defects & IMAGE_OTHER_PLATFORM)
        return "mips";
    return plan->architecture != NULL ? plan->architecture : machine_arch();
}

static void make_config(const struct image_plan *plan, struct built_image *image)
{
    json_t *config = json_loads(plan->config != NULL ? plan->config : "{}", 0, NULL);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:o}}", "created", "2023-11-14T22:13:20Z", "os",
                  os_of(plan), "architecture", architecture_of(plan), "config", config, "rootfs",
                  "type", plan->defects & IMAGE_ROOTFS_TYPE ? "pictures" : "layers", "diff_ids",
                  diff_ids(plan, image));

    must(json != NULL, "the plan's config is no JSON");
    if (plan->variant != NULL)
        json_object_set_new(json, "variant", json_string(plan->variant));
    image->config = document(json);
    if (plan->defects & IMAGE_CONFIG_NO_JSON)
        image->config.size /= 2;
    seal(&image->config);
}

/* ---- manifest -------------------------------------------------------------------------- */

static json_t *layer_descriptor(const struct image_plan *plan, const struct built_image *image,
                                size_t i)
{
    const struct built_blob *packed = &image->layers[i].packed;
    unsigned defects = i == 0 ? plan->defects : 0;
    size_t size = packed->size;
    json_t *out, *urls = json_array();

    if (defects & IMAGE_SIZE_TOO_SMALL)
        size--;
    if (defects & IMAGE_SIZE_TOO_LARGE)
        size++;
    if (defects & IMAGE_HUGE_SIZE)
        size = (size_t)1 << 62;
    out = descriptor(layer_type(plan, plan->layers[i].packing), packed->digest, size);
    for (size_t k = 0; k < COUNT_OF(plan->urls) && plan->urls[k] != NULL; k++)
        json_array_append_new(urls, json_string(plan->urls[k]));
    if (json_array_size(urls) > 0)
        json_object_set(out, "urls", urls);
    json_decref(urls);
    return out;
}

static void pad_manifest(json_t *json)
{
    char *text = malloc((4 << 20) + 1);

    must(text != NULL, "no memory");
    memset(text, 'x', 4 << 20);
    text[4 << 20] = '\0';
    json_object_set_new(json, "annotations", json_pack("{s:s}", "padding", text));
    free(text);
}

static void make_manifest(const struct image_plan *plan, struct built_image *image)
{
    const char *type = plan->defects & IMAGE_TYPE_LIES ? image->index_type : image->manifest_type;
    const char *config_type = plan->config_type != NULL ? plan->config_type
                              : plan->docker            ? DOCKER "container.image.v1+json"
                                                        : OCI "config.v1+json";
    json_t *layers = json_array();
    json_t *json;

    for (size_t i = 0; i < image->layer_count; i++)
        json_array_append_new(layers, layer_descriptor(plan, image, i));
    json = json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion",
                     plan->defects & IMAGE_SCHEMA_1 ? 1 : 2, "mediaType", type, "config",
                     descriptor(config_type, image->config.digest, image->config.size), "layers",
                     layers);
    must(json != NULL, "no manifest");
    if (plan->defects & IMAGE_BOTH_KINDS)
        json_object_set_new(json, "manifests", json_array());
    if (plan->defects & IMAGE_OVER_4_MIB)
        pad_manifest(json);
    image->manifest = document(json);
    if (plan->defects & IMAGE_MANIFEST_NO_JSON)
        image->manifest.size /= 2;
    seal(&image->manifest);
}

/* ---- index ------------------------------------------------------------------------------- */

static void add_entry(json_t *list, const char *type, const char *digest, size_t size,
                      const char *os, const char *architecture, const char *variant)
{
    json_t *entry = descriptor(type, digest, size), *platform;

    if (os != NULL) {
        platform = json_pack("{s:s, s:s}", "os", os, "architecture", architecture);
        if (variant != NULL)
            json_object_set_new(platform, "variant", json_string(variant));
        json_object_set_new(entry, "platform", platform);
    }
    json_array_append_new(list, entry);
}

/* A variant that exists only as a line of the index. */
static void add_phantom(json_t *list, const struct built_image *image, const char *os,
                        const char *architecture)
{
    char digest[72], name[100];

    snprintf(name, sizeof(name), "%s/%s", os, architecture);
    blob_digest(name, strlen(name), digest);
    add_entry(list, image->manifest_type, digest, 500, os, architecture, NULL);
}

static struct built_blob index_of(const struct built_image *image, json_t *list)
{
    struct built_blob blob = document(json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType",
                                                image->index_type, "manifests", list));

    seal(&blob);
    return blob;
}

static void make_index(const struct image_plan *plan, struct built_image *image)
{
    json_t *list = json_array();

    if (plan->more_platforms) {
        add_phantom(list, image, "unknown", "unknown"); /* an attestation */
        add_phantom(list, image, "linux", "s390x");
        add_phantom(list, image, "windows", "amd64");
    }
    if (plan->defects & IMAGE_OTHER_PLATFORM)
        add_phantom(list, image, "linux", "nios2");
    add_entry(list, image->manifest_type, image->manifest.digest, image->manifest.size,
              plan->no_platform ? NULL : os_of(plan), architecture_of(plan), plan->variant);
    image->index = index_of(image, list);
    image->target = &image->index;
    if (!plan->nested)
        return;
    list = json_array();
    add_entry(list, image->index_type, image->index.digest, image->index.size, NULL, NULL, NULL);
    image->outer = index_of(image, list);
    image->target = &image->outer;
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct built_image *image_build(const struct image_plan *plan)
{
    struct built_image *image = calloc(1, sizeof(*image));

    must(image != NULL, "no memory");
    image->manifest_type =
        plan->docker ? DOCKER "distribution.manifest.v2+json" : OCI "manifest.v1+json";
    image->index_type =
        plan->docker ? DOCKER "distribution.manifest.list.v2+json" : OCI "index.v1+json";
    image->defects = plan->defects;
    image->layer_count = plan->layer_count;
    image->layers = calloc(plan->layer_count + 1, sizeof(*image->layers));
    must(image->layers != NULL, "no memory");
    for (size_t i = 0; i < plan->layer_count; i++)
        layer_build(&plan->layers[i], &image->layers[i]);
    make_config(plan, image);
    make_manifest(plan, image);
    image->target = &image->manifest;
    if (!plan->no_index)
        make_index(plan, image);
    /* only now, when all digests are written down */
    if (plan->defects & IMAGE_WRONG_DIGEST)
        image->layers[0].packed.data[image->layers[0].packed.size / 2] ^= 1;
    if (plan->defects & IMAGE_MANIFEST_DIGEST)
        image->manifest.data[1] = '\t';
    return image;
}

void image_drop(struct built_image **pointer)
{
    struct built_image *image = *pointer;

    *pointer = NULL;
    if (image == NULL)
        return;
    for (size_t i = 0; i < image->layer_count; i++)
        layer_drop(&image->layers[i]);
    blob_drop(&image->config);
    blob_drop(&image->manifest);
    blob_drop(&image->index);
    blob_drop(&image->outer);
    free(image->layers);
    free(image);
}

static void each_document(const struct built_image *image, const struct built_blob *blob,
                          const char *type, const char *tag,
                          void (*each)(void *ctx, const struct image_part *part), void *ctx)
{
    struct image_part part = {
        .kind = "manifests", .name = blob->digest, .media_type = type, .blob = blob
    };

    if (blob->data == NULL)
        return;
    each(ctx, &part);
    part.name = tag;
    if (image->target == blob)
        each(ctx, &part);
}

void image_each(const struct built_image *image, const char *tag,
                void (*each)(void *ctx, const struct image_part *part), void *ctx)
{
    for (size_t i = 0; i < image->layer_count; i++) {
        const struct built_blob *packed = &image->layers[i].packed;

        if (i > 0 || !(image->defects & IMAGE_NO_LAYER_BLOB))
            each(ctx, &(struct image_part){ "blobs", packed->digest, "application/octet-stream",
                                            packed });
    }
    if (!(image->defects & IMAGE_NO_CONFIG_BLOB))
        each(ctx, &(struct image_part){ "blobs", image->config.digest, "application/octet-stream",
                                        &image->config });
    if (!(image->defects & IMAGE_NO_MANIFEST))
        each_document(image, &image->manifest, image->manifest_type, tag, each, ctx);
    each_document(image, &image->index, image->index_type, tag, each, ctx);
    each_document(image, &image->outer, image->index_type, tag, each, ctx);
}

struct serving {
    struct registry_server *server;
    const char *repository;
};

static void serve_part(void *ctx, const struct image_part *part)
{
    struct serving *serving = ctx;
    char path[400], headers[300];

    snprintf(path, sizeof(path), "/v2/%s/%s/%s", serving->repository, part->kind, part->name);
    snprintf(headers, sizeof(headers), "Content-Type: %s\r\nDocker-Content-Digest: %s\r\n",
             part->media_type, part->blob->digest);
    server_forget(serving->server, path);
    server_add(serving->server, path,
               &(struct server_reply){ .headers = headers,
                                       .body = part->blob->data,
                                       .size = part->blob->size,
                                       .ranges = strcmp(part->kind, "blobs") == 0 });
}

void image_serve(struct registry_server *server, const char *repository, const char *tag,
                 const struct built_image *image)
{
    struct serving serving = { .server = server, .repository = repository };

    image_each(image, tag, serve_part, &serving);
}
