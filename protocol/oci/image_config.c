/* Image configs, taken out of bounded JSON member by member. */
#include "protocol/oci/image_config.h"

#include <string.h>

#include "protocol/oci/digest.h"
#include "protocol/oci/document.h"

static int read_bool(const struct place *place, const char *key, bool *out)
{
    json_t *value = json_object_get(place->object, key);

    if (value != NULL && !json_is_null(value) && !json_is_boolean(value))
        return place_error(place, key, "is not true or false");
    *out = json_is_true(value);
    return 0;
}

static int read_host(const struct place *root, struct image_config *out)
{
    if (read_text(root, "os", &out->os) < 0 ||
        read_text(root, "architecture", &out->architecture) < 0 ||
        read_text(root, "variant", &out->variant) < 0 ||
        read_text(root, "os.version", &out->os_version) < 0 ||
        read_strs(root, "os.features", &out->os_features) < 0)
        return -1;
    out->platform = platform_of(out->os, out->architecture, out->variant, out->os_version);
    for (size_t i = 0; i < out->os_features.count; i++)
        platform_add_feature(&out->platform, out->os_features.items[i]);
    return 0;
}

static int read_rootfs(const struct place *root, struct image_config *out)
{
    struct place rootfs;
    const char *type;

    if (read_object(root, "rootfs", &rootfs) < 0)
        return -1;
    if (rootfs.object == NULL)
        return place_error(root, "rootfs", "is missing");
    if (read_text(&rootfs, "type", &type) < 0)
        return -1;
    if (type == NULL || strcmp(type, "layers") != 0)
        return place_error(&rootfs, "type", "is not \"layers\"");
    if (read_strs(&rootfs, "diff_ids", &out->diff_ids) < 0)
        return -1;
    if (out->diff_ids.count > DIFF_IDS_MAX)
        return error_set(root->err, ERROR_RESOURCE_EXHAUSTED, "%s: of %zu layers, the limit is %d",
                         root->what, out->diff_ids.count, DIFF_IDS_MAX);
    for (size_t i = 0; i < out->diff_ids.count; i++)
        if (digest_check(out->diff_ids.items[i], root->err) < 0)
            return place_error(&rootfs, "diff_ids", "has no digest at %zu", i);
    return 0;
}

/* The section `config`; older images lack it. */
static int read_defaults(const struct place *root, struct image_config *out)
{
    struct place section, health;

    if (read_object(root, "config", &section) < 0)
        return -1;
    if (section.object == NULL)
        return 0;
    if (read_text(&section, "User", &out->user) < 0 || read_strs(&section, "Env", &out->env) < 0 ||
        read_strs(&section, "Entrypoint", &out->entrypoint) < 0 ||
        read_strs(&section, "Cmd", &out->cmd) < 0 ||
        read_text(&section, "WorkingDir", &out->working_dir) < 0 ||
        read_map(&section, "Labels", &out->labels) < 0 ||
        read_text(&section, "StopSignal", &out->stop_signal) < 0 ||
        read_keys(&section, "Volumes", &out->volumes) < 0 ||
        read_keys(&section, "ExposedPorts", &out->exposed_ports) < 0 ||
        read_bool(&section, "ArgsEscaped", &out->args_escaped) < 0 ||
        read_object(&section, "Healthcheck", &health) < 0)
        return -1;
    out->has_healthcheck = health.object != NULL;
    return 0;
}

int image_config_parse(const void *bytes, size_t size, struct arena *arena,
                       struct image_config *out, struct error *err)
{
    json_t *json = document_load("image config", bytes, size, IMAGE_CONFIG_BYTES_MAX, err);
    struct place root = { .what = "image config", .object = json, .arena = arena, .err = err };
    int result = -1;

    *out = (struct image_config){ 0 };
    if (json == NULL)
        return -1;
    if (read_host(&root, out) == 0 && read_text(&root, "author", &out->author) == 0 &&
        read_text(&root, "created", &out->created) == 0 && read_rootfs(&root, out) == 0)
        result = read_defaults(&root, out);
    json_decref(json);
    return result;
}
