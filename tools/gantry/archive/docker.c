/*
 * docker's archives: manifest.json says which files are an image's config and layers.
 *
 * There is no manifest in them, so one is written, as registries have it.  That the layers are
 * what the config says is found when they are unpacked.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/scope.h"
#include "protocol/oci/manifest.h"
#include "tools/gantry/archive/load.h"

static const char *layer_type(enum compression compression)
{
    switch (compression) {
    case COMPRESSION_GZIP:
        return "application/vnd.oci.image.layer.v1.tar+gzip";
    case COMPRESSION_ZSTD:
        return "application/vnd.oci.image.layer.v1.tar+zstd";
    default:
        return "application/vnd.oci.image.layer.v1.tar";
    }
}

static json_t *descriptor_json(const char *type, const struct sent *sent)
{
    return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", sent->digest, "size",
                     (json_int_t)sent->size);
}

/* A file by the name it has in manifest.json. */
static const struct sent *file_of(const struct load *load, const json_t *name, struct error *err)
{
    const char *text = json_string_value(name);
    const struct kept *kept = text != NULL ? load_find(load, text) : NULL;

    if (text == NULL)
        error_set(err, ERROR_DATA_LOSS, "manifest.json: Config and Layers are names of files");
    else if (kept == NULL)
        error_set(err, ERROR_DATA_LOSS, "manifest.json: the file %.200s is missing", text);
    return kept != NULL ? &kept->sent : NULL;
}

/* A layer that the daemon had was not read: its first bytes tell what it is. */
static int compression_look(struct load *load, const struct sent *sent, enum compression *out,
                            struct error *err)
{
    struct content_read_request want = { .digest = sent->digest, SET(size, 4) };
    char head[4] = { 0 };

    *out = sent->compression;
    if (sent->is_looked_at)
        return 0;
    if (remote_blob_head(load->cli, &want, head, sizeof(head), err) < 0)
        return -1;
    *out = compression_by(head, sizeof(head));
    return 0;
}

static int layers_add(struct load *load, const json_t *names, json_t *layers, struct error *err)
{
    const json_t *name;
    size_t i;

    if (!json_is_array(names))
        return error_set(err, ERROR_DATA_LOSS, "manifest.json: Layers is no list");
    if (json_array_size(names) > LAYERS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "manifest.json: more than %d layers",
                         LAYERS_MAX);
    json_array_foreach (names, i, name) {
        const struct sent *sent = file_of(load, name, err);
        enum compression compression;

        if (sent == NULL || compression_look(load, sent, &compression, err) < 0)
            return -1;
        json_array_append_new(layers, descriptor_json(layer_type(compression), sent));
    }
    return 0;
}

static int manifest_put(struct load *load, const json_t *image, struct sent *manifest,
                        struct error *err)
{
    const struct sent *config = file_of(load, json_object_get(image, "Config"), err);
    json_t *layers, *document;
    char *text;
    int result;

    if (config == NULL)
        return -1;
    layers = json_array();
    document =
        json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", MEDIA_OCI_MANIFEST,
                  "config", descriptor_json(MEDIA_OCI_CONFIG, config), "layers", layers);
    result = layers_add(load, json_object_get(image, "Layers"), layers, err);
    text = result == 0 ? json_dumps(document, JSON_COMPACT) : NULL;
    if (text != NULL)
        result = remote_blob_put(load->cli, text, strlen(text), manifest, err);
    free(text);
    json_decref(document);
    return result;
}

static int image_load(struct load *load, const json_t *image, struct error *err)
{
    const json_t *tags = json_object_get(image, "RepoTags"), *tag;
    struct sent manifest;
    struct descriptor target;
    size_t i;

    if (manifest_put(load, image, &manifest, err) < 0)
        return -1;
    target = (struct descriptor){ .media_type = MEDIA_OCI_MANIFEST,
                                  .digest = manifest.digest,
                                  .size = manifest.size };
    json_array_foreach (tags, i, tag)
        if (json_string_value(tag) != NULL &&
            load_adopt(load, json_string_value(tag), &target, err) < 0)
            return -1;
    if (json_array_size(tags) > 0)
        return 0;
    return load_adopt(load, arena_printf(load->cli->arena, "localhost/loaded@%s", manifest.digest),
                      &target, err);
}

int load_docker(struct load *load, struct error *err)
{
    json_error_t where;
    json_t *images =
        json_loadb(load->docker.data, load->docker.size, JSON_REJECT_DUPLICATES, &where);
    const json_t *image;
    int result = 0;
    size_t i;

    if (!json_is_array(images))
        result = error_set(err, ERROR_DATA_LOSS, "manifest.json: %s",
                           images == NULL ? where.text : "is no list");
    json_array_foreach (images, i, image)
        if (result == 0)
            result = image_load(load, image, err);
    json_decref(images);
    return result;
}
