/*
 * The command import: the tar of a file system becomes an image of one layer.
 *
 * The happy path is the tar, unpacked, as a layer (so its digest is its diff id) -> a config,
 * changed as --change says -> a manifest -> adopt.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/json.h"
#include "protocol/oci/manifest.h"
#include "protocol/oci/changes.h"
#include "tools/gantry/archive/load.h"

#define TAR_BLOCK 512
#define TAR_MAGIC 257 /* where "ustar" stands in a block */

struct import {
    struct load load;
    struct sent layer;
};

static int take_layer(void *ctx, const struct packed *file, struct error *err)
{
    struct import *import = ctx;

    return remote_blob_send(import->load.cli, NULL, file, &import->layer, err);
}

static int check_layer(struct import *import, struct error *err)
{
    struct content_read_request want = { .digest = import->layer.digest, SET(size, TAR_BLOCK) };
    char head[TAR_BLOCK] = { 0 };

    if (remote_blob_head(import->load.cli, &want, head, sizeof(head), err) < 0)
        return -1;
    return memcmp(head + TAR_MAGIC, "ustar", 5) == 0
               ? 0
               : error_set(err, ERROR_DATA_LOSS, "is no tar of a file system");
}

static json_t *config_new(const struct import *import, const struct platform *platform,
                          json_t *changed, const char *message)
{
    char created[TIME_TEXT_SIZE];
    json_t *config;

    time_text(clock_now(), created);
    config = json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:[s]}, s:[{s:s, s:s, s:s}]}", "created",
                       created, "architecture", platform->arch, "os", platform->os, "config",
                       changed, "rootfs", "type", "layers", "diff_ids", import->layer.digest,
                       "history", "created", created, "created_by", "gantry import", "comment",
                       message != NULL ? message : "Imported from -");
    if (platform->variant[0] != '\0')
        json_object_set_new(config, "variant", json_string(platform->variant));
    return config;
}

static int document_put(struct import *import, json_t *document, struct sent *sent,
                        struct error *err)
{
    char *text = json_dumps(document, JSON_COMPACT);
    int result = text != NULL ? remote_blob_put(import->load.cli, text, strlen(text), sent, err)
                              : error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");

    free(text);
    json_decref(document);
    return result;
}

static json_t *manifest_new(const struct sent *config, const struct sent *layer)
{
    return json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:[{s:s, s:s, s:I}]}", "schemaVersion", 2,
                     "mediaType", MEDIA_OCI_MANIFEST, "config", "mediaType", MEDIA_OCI_CONFIG,
                     "digest", config->digest, "size", (json_int_t)config->size, "layers",
                     "mediaType", "application/vnd.oci.image.layer.v1.tar", "digest", layer->digest,
                     "size", (json_int_t)layer->size);
}

static int make(struct import *import, const struct args *args, const struct platform *platform,
                struct sent *manifest, struct error *err)
{
    struct strs changes = args_list(args, "change", import->load.cli->arena);
    json_t *changed = json_object();
    struct patience patience;
    struct sent config;

    if (changes_apply(changed, &changes, err) < 0) {
        json_decref(changed);
        return -1;
    }
    if (remote_patience(import->load.cli, &patience, err) < 0 ||
        remote_hold(import->load.cli, err) < 0 ||
        plain_each(args->operands.items[0], &patience, take_layer, import, err) < 0 ||
        check_layer(import, err) < 0) {
        json_decref(changed);
        return -1;
    }
    if (document_put(import, config_new(import, platform, changed, args_text(args, "message")),
                     &config, err) < 0)
        return -1;
    return document_put(import, manifest_new(&config, &import->layer), manifest, err);
}

static void import_drop(struct import *import)
{
    remote_release(import->load.cli);
}

int command_import(struct cli *cli, const struct args *args, struct error *err)
{
    const char *name = args->operands.count > 1 ? args->operands.items[1] : NULL;
    CLEANUP(import_drop)
    struct import import = {
        .load = { .cli = cli, .quiet = true, .driver = args_text(args, "snapshotter") }
    };
    const char *wanted = args_text(args, "platform");
    struct platform platform = platform_of(machine_os(), machine_arch(), machine_variant(), NULL);
    struct sent manifest;
    struct descriptor target;

    if (wanted != NULL && platform_parse(wanted, &platform, err) < 0)
        return -1;
    if (make(&import, args, &platform, &manifest, err) < 0)
        return error_wrap(err, "import %.200s", args->operands.items[0]);
    if (name == NULL)
        name = arena_printf(cli->arena, "localhost/imported@%s", manifest.digest);
    target = (struct descriptor){ .media_type = MEDIA_OCI_MANIFEST,
                                  .digest = manifest.digest,
                                  .size = manifest.size };
    return load_adopt(&import.load, name, &target, err);
}
