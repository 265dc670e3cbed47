/* Commands about volumes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/filters.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

/* ---- ls ------------------------------------------------------------------------------- */

struct listing {
    struct table *table;
    json_t *array; /* NULL: not as JSON */
    bool quiet, size;
};

static int usage_of(struct cli *cli, const char *name, struct snapshots_usage_reply *usage,
                    struct error *err)
{
    const struct volumes_get_request want = { .name = name };

    return cli_call(cli, &op_volumes_usage, &want, usage, err);
}

/* One that went meanwhile takes nothing. */
static int show_one(struct cli *cli, const struct volume_info *volume, struct listing *listing,
                    struct error *err)
{
    struct snapshots_usage_reply usage = { 0 };
    char ago[40], size[16] = "";
    json_t *json;

    if (listing->size && usage_of(cli, volume->name, &usage, err) < 0 &&
        err->code != ERROR_NOT_FOUND)
        return -1;
    if (listing->array != NULL) {
        json = record_json(volume_info_record(), volume);
        if (listing->size)
            json_object_set_new(json, "size", json_integer((json_int_t)usage.size));
        json_array_append_new(listing->array, json);
        return 0;
    }
    if (listing->quiet) {
        puts(printable(volume->name, cli->arena));
        return 0;
    }
    table_row(listing->table, volume->driver, volume->name,
              arena_printf(cli->arena, "%zu", volume->containers.count),
              ago_text(volume->has_created ? volume->created : 0, clock_now(), ago),
              listing->size ? size_text(usage.size, size) : NULL);
    return 0;
}

static int list_all(struct cli *cli, struct page_request *want, struct listing *listing,
                    struct error *err)
{
    struct volumes_list_reply page;

    do {
        const struct volume_info *volumes;

        if (cli_call(cli, &op_volumes_list, want, &page, err) < 0)
            return -1;
        volumes = page.volumes.items;
        for (size_t i = 0; i < page.volumes.count; i++)
            if (show_one(cli, &volumes[i], listing, err) < 0)
                return -1;
        if (page.volumes.count > 0)
            want->after = volumes[page.volumes.count - 1].name;
    } while (page.more && page.volumes.count > 0);
    return 0;
}

int command_volume_ls(struct cli *cli, const struct args *args, struct error *err)
{
    struct page_request want = { 0 };
    struct listing listing = {
        .table = table_new(cli->arena, "DRIVER", "VOLUME NAME", "CONTAINERS", "CREATED",
                           args_flag(args, "size") ? "SIZE" : NULL, NULL),
        .array = cli->json ? json_array() : NULL,
        .quiet = args_flag(args, "quiet"),
        .size = args_flag(args, "size"),
    };
    int result;

    if (filters_of_args(args, filter_volume_keys, &want.filters, cli->arena, err) < 0)
        return -1;
    result = list_all(cli, &want, &listing, err);
    if (result == 0 && cli->json)
        json_print(listing.array);
    else if (result == 0 && !listing.quiet)
        table_print(listing.table, stdout);
    json_decref(listing.array);
    return result;
}

/* ---- create, inspect, rm -------------------------------------------------------------- */

int command_volume_create(struct cli *cli, const struct args *args, struct error *err)
{
    const struct strs labels = args_list(args, "label", cli->arena);
    const struct strs options = args_list(args, "opt", cli->arena);
    const struct volumes_create_request want = {
        .name = args->operands.count > 0 ? args->operands.items[0] : NULL,
        .driver = args_text(args, "driver"),
        .labels = options_map(&labels, cli->arena),
        .options = options_map(&options, cli->arena),
    };
    struct volumes_create_reply reply;

    if (cli_call(cli, &op_volumes_create, &want, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(volume_info_record(), reply.volume);
    else
        puts(reply.volume->name);
    return 0;
}

int inspect_volume(struct cli *cli, const char *name, bool size, json_t *array, struct error *err)
{
    const struct volumes_get_request want = { .name = name };
    struct snapshots_usage_reply usage = { 0 };
    struct volume_info volume;
    json_t *json;

    if (cli_call(cli, &op_volumes_get, &want, &volume, err) < 0 ||
        (size && usage_of(cli, name, &usage, err) < 0))
        return -1;
    json = record_json(volume_info_record(), &volume);
    if (size) {
        json_object_set_new(json, "size", json_integer((json_int_t)usage.size));
        json_object_set_new(json, "inodes", json_integer((json_int_t)usage.inodes));
    }
    json_array_append_new(array, json);
    return 0;
}

int command_volume_inspect(struct cli *cli, const struct args *args, struct error *err)
{
    json_t *array = json_array();
    int status = 0;

    (void)err;
    for (size_t i = 0; i < args->operands.count; i++) {
        struct error one = { 0 };

        if (inspect_volume(cli, args->operands.items[i], args_flag(args, "size"), array, &one) == 0)
            continue;
        cli_complain(cli, &one);
        status = 1;
    }
    json_print(array);
    json_decref(array);
    return status;
}

static int remove_one(struct cli *cli, const struct args *args, const char *name, struct error *err)
{
    const struct volumes_get_request want = { .name = name };

    if (cli_call(cli, &op_volumes_remove, &want, NULL, err) < 0 &&
        (err->code != ERROR_NOT_FOUND || !args_flag(args, "force")))
        return -1;
    puts(printable(name, cli->arena));
    return 0;
}

int command_volume_rm(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, remove_one);
}

/* ---- prune ---------------------------------------------------------------------------- */

int command_volume_prune(struct cli *cli, const struct args *args, struct error *err)
{
    struct volumes_prune_request want = { SET(all, args_flag(args, "all")) };
    struct volumes_prune_reply reply;
    char size[16];

    if (filters_of_args(args, filter_volume_keys, &want.filters, cli->arena, err) < 0 ||
        cli_call(cli, &op_volumes_prune, &want, &reply, err) < 0)
        return -1;
    if (cli->json) {
        cli_print_json(volumes_prune_reply_record(), &reply);
        return 0;
    }
    for (size_t i = 0; i < reply.names.count; i++)
        puts(printable(reply.names.items[i], cli->arena));
    printf("%s reclaimed\n", size_text(reply.size, size));
    return 0;
}

/* ---- names, for completion ------------------------------------------------------------ */

int names_of_volumes(struct cli *cli, struct error *err)
{
    const struct page_request want = { SET(limit, 200) };
    const struct volume_info *volumes;
    struct volumes_list_reply page;

    if (cli_call(cli, &op_volumes_list, &want, &page, err) < 0)
        return -1;
    volumes = page.volumes.items;
    for (size_t i = 0; i < page.volumes.count; i++)
        puts(volumes[i].name);
    return 0;
}
