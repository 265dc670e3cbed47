/*
 * The command save: images as an OCI layout, in a tar or a folder.
 *
 * The happy path is collect the documents and blobs of each image -> each blob once -> index.json,
 * and manifest.json, by which docker and older podmans find their way in the same archive.  The
 * bytes of all documents are those that were pulled.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/manifest.h"
#include "tools/gantry/archive/blobs.h"
#include "tools/gantry/text.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

struct save {
    struct cli *cli;
    struct pack *pack;
    struct platform platform; /* of the one that is wanted */
    bool is_one;              /* else all that are here */
    char **digests;           /* that are in the pack, or on their way */
    size_t count, room;
    json_t *index, *docker; /* arrays */
};

static void save_drop(struct save *save)
{
    remote_release(save->cli);
    pack_drop(&save->pack);
    json_decref(save->index);
    json_decref(save->docker);
    free(save->digests);
}

static const char *name_of(struct save *save, const char *digest)
{
    return arena_printf(save->cli->arena, "blobs/%.*s/%s", (int)strcspn(digest, ":"), digest,
                        digest_hex(digest));
}

/* true: it was not there yet. */
static bool remember(struct save *save, const char *digest)
{
    for (size_t i = 0; i < save->count; i++)
        if (strcmp(save->digests[i], digest) == 0)
            return false;
    if (save->count == save->room) {
        save->room = save->room ? 2 * save->room : 64;
        save->digests = realloc(save->digests, save->room * sizeof(*save->digests));
        if (save->digests == NULL)
            abort();
    }
    save->digests[save->count++] = arena_str(save->cli->arena, digest);
    return true;
}

/* ---- blobs ----------------------------------------------------------------------------------- */

/* `is_foreign`: a layer that registries need not have, and we neither. */
static int put_blob(struct save *save, const struct descriptor *blob, bool is_foreign,
                    struct error *err)
{
    uint64_t size;
    int found;

    if (digest_require(blob->digest, err) < 0)
        return -1;
    if (!remember(save, blob->digest))
        return 0;
    found = remote_blob_size(save->cli, blob->digest, &size, err);
    if (found == 0 && is_foreign)
        return 0;
    if (found == 0) {
        error_set(err, ERROR_NOT_FOUND, "blob %s is not here", blob->digest);
        return error_hint(err, "pull the image again");
    }
    if (found < 0 || pack_begin(save->pack, name_of(save, blob->digest), size, err) < 0 ||
        remote_blob_pack(save->cli, blob->digest, save->pack, err) < 0)
        return -1;
    return pack_end(save->pack, err);
}

static int put_manifest(struct save *save, const struct descriptor *blob, const struct bin *bytes,
                        struct error *err)
{
    struct oci_manifest manifest;

    if (manifest_parse(bytes->data, bytes->size, blob->media_type, save->cli->arena, &manifest,
                       err) < 0 ||
        put_blob(save, &manifest.config.blob, false, err) < 0)
        return -1;
    for (size_t i = 0; i < manifest.layer_count; i++) {
        const struct descriptor *layer = &manifest.layers[i].blob;

        if (put_blob(save, layer, media_of(layer->media_type).foreign, err) < 0)
            return -1;
    }
    return 0;
}

static int put_document(struct save *save, const struct descriptor *blob, unsigned depth,
                        struct error *err);

/* What was not pulled of an index is not saved: other platforms, mostly. */
static int put_index(struct save *save, const struct descriptor *blob, const struct bin *bytes,
                     unsigned depth, struct error *err)
{
    struct oci_index index;
    uint64_t size;

    if (depth >= INDEX_DEPTH_MAX)
        return error_set(err, ERROR_DATA_LOSS, "indexes are nested deeper than %d",
                         INDEX_DEPTH_MAX);
    if (index_parse(bytes->data, bytes->size, blob->media_type, save->cli->arena, &index, err) < 0)
        return -1;
    for (size_t i = 0; i < index.count; i++) {
        const struct oci_descriptor *entry = &index.entries[i];
        int found;

        if (save->is_one && entry->has_platform &&
            platform_rank(&save->platform, &entry->platform) < 0)
            continue;
        if (!digest_is_usable(entry->blob.digest))
            continue;
        found = remote_blob_size(save->cli, entry->blob.digest, &size, err);
        if (found < 0 || (found == 1 && put_document(save, &entry->blob, depth + 1, err) < 0))
            return -1;
    }
    return 0;
}

static int put_document(struct save *save, const struct descriptor *blob, unsigned depth,
                        struct error *err)
{
    struct descriptor known = *blob;
    struct bin bytes;

    if (digest_require(blob->digest, err) < 0 ||
        remote_blob_fetch(save->cli, blob->digest, MANIFEST_BYTES_MAX, &bytes, err) < 0)
        return -1;
    if (document_settle(&known, &bytes, save->cli->arena, err) < 0)
        return -1;
    if (remember(save, blob->digest) &&
        pack_file(save->pack, name_of(save, blob->digest), bytes.data, bytes.size, err) < 0)
        return -1;
    return media_of(known.media_type).kind == MEDIA_INDEX
               ? put_index(save, &known, &bytes, depth, err)
               : put_manifest(save, &known, &bytes, err);
}

/* ---- what leads to them ---------------------------------------------------------------------- */

static void note_image(struct save *save, const struct image_info *image)
{
    struct reference_parts parts = reference_split(image->name, save->cli->arena);
    json_t *entry =
        json_pack("{s:s, s:s, s:I, s:{s:s}}", "mediaType", image->target->media_type, "digest",
                  image->target->digest, "size", (json_int_t)image->target->size, "annotations",
                  "io.containerd.image.name", image->name);

    if (parts.tag[0] != '\0')
        json_object_set_new(json_object_get(entry, "annotations"),
                            "org.opencontainers.image.ref.name", json_string(parts.tag));
    json_array_append_new(save->index, entry);
}

/* docker's list knows one platform: the host's, or the one that was asked for. */
static int note_for_docker(struct save *save, const struct image_info *image, const char *platform,
                           struct error *err)
{
    struct images_inspect_request want = { .name = image->name, .platform = platform };
    struct reference_parts parts = reference_split(image->name, save->cli->arena);
    struct images_inspect_reply details;
    json_t *tags = json_array(), *layers = json_array();

    if (cli_call(save->cli, &op_images_inspect, &want, &details, err) < 0) {
        json_decref(tags);
        json_decref(layers);
        return err->code == ERROR_NOT_FOUND && platform == NULL ? 0 : -1;
    }
    if (parts.tag[0] != '\0')
        json_array_append_new(tags, json_string(reference_short(image->name)));
    for (size_t i = 0; i < details.layers.count; i++) {
        const struct image_layer *layer = (const struct image_layer *)details.layers.items + i;

        json_array_append_new(layers, json_string(name_of(save, layer->blob->digest)));
    }
    json_array_append_new(save->docker, json_pack("{s:s, s:o, s:o}", "Config",
                                                  name_of(save, details.config->digest), "RepoTags",
                                                  tags, "Layers", layers));
    return 0;
}

static int save_one(struct save *save, const char *name, const char *platform, struct error *err)
{
    struct images_get_request want = { .name = name };
    struct image_info image;

    if (cli_call(save->cli, &op_images_get, &want, &image, err) < 0)
        return -1;
    if (remote_keep(save->cli, image.target->digest, err) < 0 ||
        put_document(save, image.target, 0, err) < 0 ||
        note_for_docker(save, &image, platform, err) < 0)
        return error_wrap(err, "image %.100s", image.name);
    note_image(save, &image);
    return 0;
}

static int put_json(struct save *save, const char *name, json_t *json, struct error *err)
{
    char *text = json_dumps(json, JSON_COMPACT);
    int result = text != NULL ? pack_file(save->pack, name, text, strlen(text), err)
                              : error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");

    free(text);
    return result;
}

static int put_end(struct save *save, struct error *err)
{
    json_t *index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX,
                              "manifests", save->index);
    int result = put_json(save, "index.json", index, err);

    json_decref(index);
    if (result == 0 && json_array_size(save->docker) > 0)
        result = put_json(save, "manifest.json", save->docker, err);
    return result < 0 ? -1 : pack_finish(save->pack, err);
}

int command_save(struct cli *cli, const struct args *args, struct error *err)
{
    CLEANUP(save_drop)
    struct save save = { .cli = cli, .index = json_array(), .docker = json_array() };
    const char *platform = args_text(args, "platform");
    struct patience patience;

    save.is_one = platform != NULL;
    if (save.is_one && platform_parse(platform, &save.platform, err) < 0)
        return -1;
    if (remote_patience(cli, &patience, err) < 0 ||
        pack_open(args_text(args, "output"), &patience, &save.pack, err) < 0 ||
        remote_hold(cli, err) < 0 ||
        pack_file(save.pack, "oci-layout", LAYOUT, strlen(LAYOUT), err) < 0)
        return -1;
    for (size_t i = 0; i < args->operands.count; i++)
        if (save_one(&save, args->operands.items[i], platform, err) < 0)
            return -1;
    return put_end(&save, err);
}
