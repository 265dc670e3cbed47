/* Commands about containers as records: ps, inspect, rm; and names for completion. */
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/credentials.h"
#include "tools/gantry/filters.h"
#include "tools/gantry/text.h"

/* ---- ps ----------------------------------------------------------------- */

#define COMMAND_WIDTH 20 /* characters */

struct ps {
    struct table *table;
    bool full, quiet;
    int64_t now;
};

static void ps_row(const struct container_info *container, const struct ps *ps, struct arena *arena)
{
    const char *id = ps->full ? container->id : id_short(container->id, arena);
    char ago[40];

    if (ps->quiet) {
        puts(printable(id, arena));
        return;
    }
    table_row(ps->table, id, container->image ? reference_short(container->image) : "",
              command_text(container->command, ps->full ? SIZE_MAX : COMMAND_WIDTH, arena),
              ago_text(container->has_created ? container->created : 0, ps->now, ago),
              status_text(container, ps->now, arena), container->name);
}

/* All pages; the daemon makes the next one while this one is shown. */
static int list_containers(struct cli *cli, struct containers_list_request *want, json_t *array,
                           const struct ps *ps, struct error *err)
{
    struct gantry_stream *next = NULL;
    struct containers_list_reply page;

    if (cli_connect(cli, err) < 0 ||
        gantry_call_begin(cli->client, &op_containers_list, want, &next, err) < 0)
        return -1;
    while (next != NULL) {
        CLEANUP(arena_drop) struct arena *arena = arena_new(); /* rows are copied */
        const struct container_info *containers;

        if (gantry_call_end(&next, &page, arena, err) < 0)
            return -1;
        containers = page.containers.items;
        if (page.more && page.containers.count > 0) {
            want->after = containers[page.containers.count - 1].id;
            if (gantry_call_begin(cli->client, &op_containers_list, want, &next, err) < 0)
                return -1;
        }
        if (array != NULL)
            json_add_list(array, container_info_record(), &page.containers);
        for (size_t i = 0; i < page.containers.count && array == NULL; i++)
            ps_row(&containers[i], ps, cli->arena);
    }
    return 0;
}

/* Docker shows those that run, unless asked for others by status. */
static bool wants_all(const struct args *args, struct arena *arena)
{
    struct strs filters = args_list(args, "filter", arena);

    for (size_t i = 0; i < filters.count; i++)
        if (strncmp(filters.items[i], "status=", 7) == 0)
            return true;
    return args_flag(args, "all");
}

int command_ps(struct cli *cli, const struct args *args, struct error *err)
{
    struct containers_list_request want = { 0 };
    struct ps ps = { .full = args_flag(args, "no-trunc"),
                     .quiet = args_flag(args, "quiet"),
                     .now = clock_now() };
    json_t *array = cli->json ? json_array() : NULL;
    int result;

    want.running = want.has_running = !wants_all(args, cli->arena);
    if (filters_of_args(args, filter_container_keys, &want.filters, cli->arena, err) < 0)
        return -1;
    ps.table = table_new(cli->arena, "CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS",
                         "NAMES", NULL);
    result = list_containers(cli, &want, array, &ps, err);
    if (result == 0 && cli->json)
        json_print(array);
    else if (result == 0 && !ps.quiet)
        table_print(ps.table, stdout);
    json_decref(array);
    return result;
}

/* ---- inspect ------------------------------------------------------------ */

/* A document that travels as text is shown as what it is. */
static void unfold(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    json_t *document = text != NULL ? json_loads(text, 0, NULL) : NULL;

    if (document != NULL)
        json_object_set_new(object, key, document);
}

static int inspect_container(struct cli *cli, const char *name, json_t *array, struct error *err)
{
    struct containers_get_request want = { .id = name };
    struct container_info container;
    json_t *json;

    if (cli_call(cli, &op_containers_get, &want, &container, err) < 0)
        return -1;
    json = record_json(container_info_record(), &container);
    unfold(json, "spec");
    json_array_append_new(array, json);
    return 0;
}

/* The name is known, but not for this platform: that is another error. */
static int image_not_whole(struct cli *cli, const char *name, struct error *err)
{
    struct images_get_request want = { .name = name };
    struct image_info image;
    struct error missing = { 0 };

    if (cli_call(cli, &op_images_get, &want, &image, &missing) < 0)
        return -1;
    err->code = ERROR_FAILED_PRECONDITION;
    return error_hint(err, "gantry inspect --platform OS/ARCH shows another platform's variant");
}

static int inspect_image(struct cli *cli, const char *name, const char *platform, json_t *array,
                         struct error *err)
{
    struct images_inspect_request want = { .name = name, .platform = platform };
    struct images_inspect_reply reply;
    json_t *json;

    if (cli_call(cli, &op_images_inspect, &want, &reply, err) < 0)
        return err->code == ERROR_NOT_FOUND ? image_not_whole(cli, name, err) : -1;
    json = record_json(images_inspect_reply_record(), &reply);
    unfold(json, "config_json");
    unfold(json, "manifest_json");
    json_array_append_new(array, json);
    return 0;
}

static int inspect_one(struct cli *cli, const struct args *args, const char *name, json_t *array,
                       struct error *err)
{
    const char *type = args_text(args, "type"), *platform = args_text(args, "platform");
    struct error missing = { 0 };

    if (type != NULL && strcmp(type, "image") == 0)
        return inspect_image(cli, name, platform, array, err);
    if (type != NULL && strcmp(type, "volume") == 0)
        return inspect_volume(cli, name, false, array, err);
    if (inspect_container(cli, name, array, err) == 0)
        return 0;
    if (type != NULL || (err->code != ERROR_NOT_FOUND && err->code != ERROR_INVALID_ARGUMENT))
        return -1;
    if (inspect_image(cli, name, platform, array, err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND || inspect_volume(cli, name, false, array, &missing) == 0)
        return err->code != ERROR_NOT_FOUND ? -1 : 0;
    return error_set(err, ERROR_NOT_FOUND, "there is no container, no image and no volume '%.80s'",
                     name);
}

int command_inspect(struct cli *cli, const struct args *args, struct error *err)
{
    const char *type = args_text(args, "type");
    json_t *array;
    int status = 0;

    if (type != NULL && strcmp(type, "container") != 0 && strcmp(type, "image") != 0 &&
        strcmp(type, "volume") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--type is container, image or volume, not '%.40s'", type);
    array = json_array();
    for (size_t i = 0; i < args->operands.count; i++) {
        struct error one = { 0 };

        if (inspect_one(cli, args, args->operands.items[i], array, &one) == 0)
            continue;
        cli_complain(cli, &one);
        status = 1;
    }
    json_print(array);
    json_decref(array);
    return status;
}

/* ---- rm ----------------------------------------------------------------- */

static int remove_container(struct cli *cli, const struct args *args, const char *name,
                            struct error *err)
{
    struct containers_remove_request want = { .id = name };

    want.force = want.has_force = args_flag(args, "force");
    want.sync = want.has_sync = args_flag(args, "sync");
    want.volumes = want.has_volumes = args_flag(args, "volumes");
    if (cli_call(cli, &op_containers_remove, &want, NULL, err) < 0)
        return -1;
    puts(printable(name, cli->arena));
    return 0;
}

int command_rm(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, remove_container);
}

/* ---- names, for completion ---------------------------------------------- */

static int names_of_containers(struct cli *cli, bool running, struct error *err)
{
    struct containers_list_request want = { SET(limit, 200), SET(running, running) };
    struct containers_list_reply page;
    const struct container_info *containers;

    if (cli_call(cli, &op_containers_list, &want, &page, err) < 0)
        return -1;
    containers = page.containers.items;
    for (size_t i = 0; i < page.containers.count; i++)
        puts(containers[i].name ? containers[i].name : id_short(containers[i].id, cli->arena));
    return 0;
}

static int names_of_images(struct cli *cli, struct error *err)
{
    struct page_request want = { SET(limit, 200) };
    struct images_list_reply page;
    const struct image_info *images;

    if (cli_call(cli, &op_images_list, &want, &page, err) < 0)
        return -1;
    images = page.images.items;
    for (size_t i = 0; i < page.images.count; i++)
        puts(reference_short(images[i].name));
    return 0;
}

static int names_of_snapshots(struct cli *cli, struct error *err)
{
    const struct snapshots_list_request want = { 0 };
    struct snapshots_list_reply page;
    const struct snapshot_info *snapshots;

    if (cli_call(cli, &op_snapshots_list, &want, &page, err) < 0)
        return -1;
    snapshots = page.snapshots.items;
    for (size_t i = 0; i < page.snapshots.count; i++)
        puts(snapshots[i].key);
    return 0;
}

static int names_of_leases(struct cli *cli, struct error *err)
{
    struct page_request want = { SET(limit, 200) };
    struct leases_list_reply page;
    const struct lease_info *leases;

    if (cli_call(cli, &op_leases_list, &want, &page, err) < 0)
        return -1;
    leases = page.leases.items;
    for (size_t i = 0; i < page.leases.count; i++)
        puts(leases[i].id);
    return 0;
}

static int names_of_namespaces(struct cli *cli, struct error *err)
{
    struct page_request want = { SET(limit, 200) };
    struct namespaces_list_reply page;
    const struct namespace_info *namespaces;

    if (cli_call(cli, &op_namespaces_list, &want, &page, err) < 0)
        return -1;
    namespaces = page.namespaces.items;
    for (size_t i = 0; i < page.namespaces.count; i++)
        puts(namespaces[i].name);
    return 0;
}

static int names_of_registries(struct cli *cli, struct error *err)
{
    struct strs hosts;

    if (credentials_hosts(cli->arena, &hosts, err) < 0)
        return -1;
    for (size_t i = 0; i < hosts.count; i++)
        puts(printable(hosts.items[i], cli->arena));
    return 0;
}

static int names_of_plugins(struct cli *cli, struct error *err)
{
    static const struct nothing nothing;
    struct plugins_list_reply reply;
    const struct plugin_info *plugins;

    if (cli_call(cli, &op_plugins_list, &nothing, &reply, err) < 0)
        return -1;
    plugins = reply.plugins.items;
    for (size_t i = 0; i < reply.plugins.count; i++)
        puts(plugins[i].id);
    return 0;
}

int command_names(struct cli *cli, const struct args *args, struct error *err)
{
    const char *kind = args->operands.items[0];

    cli->never_embedded = true; /* a key was pressed: nothing is started for that */
    if (strcmp(kind, "containers") == 0 || strcmp(kind, "running") == 0)
        return names_of_containers(cli, kind[0] == 'r', err);
    if (strcmp(kind, "images") == 0)
        return names_of_images(cli, err);
    if (strcmp(kind, "snapshots") == 0)
        return names_of_snapshots(cli, err);
    if (strcmp(kind, "volumes") == 0)
        return names_of_volumes(cli, err);
    if (strcmp(kind, "plugins") == 0)
        return names_of_plugins(cli, err);
    if (strcmp(kind, "namespaces") == 0)
        return names_of_namespaces(cli, err);
    if (strcmp(kind, "leases") == 0)
        return names_of_leases(cli, err);
    if (strcmp(kind, "registries") == 0)
        return names_of_registries(cli, err);
    return error_set(err, ERROR_INVALID_ARGUMENT, "names of %.40s are not known", kind);
}
