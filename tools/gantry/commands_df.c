/* df: what takes how much disk, and what of it can be had back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/text.h"

static const char *size_of(uint64_t size, struct arena *arena)
{
    char text[16];

    return arena_str(arena, size_text(size, text));
}

static const char *number(uint64_t value, struct arena *arena)
{
    return arena_printf(arena, "%" PRIu64, value);
}

static const char *share(const struct usage_group *group, struct arena *arena)
{
    const char *size = size_of(group->reclaimable, arena);

    if (group->size == 0)
        return size;
    return arena_printf(arena, "%s (%.0f%%)", size,
                        100.0 * (double)group->reclaimable / (double)group->size);
}

/* Images are the sum of what they lead to, which follows below them. */
static void print_groups(struct cli *cli, const struct list *groups)
{
    struct table *table =
        table_new(cli->arena, "KIND", "COUNT", "ACTIVE", "SIZE", "RECLAIMABLE", NULL);
    const struct usage_group *items = groups->items;

    for (size_t i = 0; i < groups->count; i++)
        table_row(table, items[i].kind, number(items[i].count, cli->arena),
                  number(items[i].active, cli->arena), size_of(items[i].size, cli->arena),
                  share(&items[i], cli->arena));
    table_print(table, stdout);
}

static void print_images(struct cli *cli, const struct list *images)
{
    struct table *table = table_new(cli->arena, "IMAGE", "CREATED", "SIZE", "SHARED", "OWN",
                                    "LAYERS", "CONTAINERS", NULL);
    const struct usage_image *items = images->items;

    for (size_t i = 0; i < images->count; i++) {
        char ago[40];

        table_row(table, reference_short(items[i].name),
                  ago_text(items[i].has_created ? items[i].created : 0, clock_now(), ago),
                  size_of(items[i].size, cli->arena),
                  size_of(items[i].size - items[i].own, cli->arena),
                  size_of(items[i].own, cli->arena), number(items[i].layers, cli->arena),
                  number(items[i].containers, cli->arena));
    }
    putchar('\n');
    table_print(table, stdout);
}

static void print_containers(struct cli *cli, const struct list *containers)
{
    struct table *table =
        table_new(cli->arena, "CONTAINER", "NAME", "IMAGE", "STATUS", "SIZE", "LOG", NULL);
    const struct usage_container *items = containers->items;

    for (size_t i = 0; i < containers->count; i++)
        table_row(table, id_short(items[i].id, cli->arena), items[i].name ? items[i].name : "",
                  items[i].image ? reference_short(items[i].image) : "", items[i].status,
                  size_of(items[i].size, cli->arena), size_of(items[i].log, cli->arena));
    putchar('\n');
    table_print(table, stdout);
}

static void print_volumes(struct cli *cli, const struct list *volumes)
{
    struct table *table = table_new(cli->arena, "VOLUME", "IN USE", "SIZE", NULL);
    const struct usage_volume *items = volumes->items;

    for (size_t i = 0; i < volumes->count; i++)
        table_row(table, items[i].name, items[i].used ? "yes" : "no",
                  size_of(items[i].size, cli->arena));
    putchar('\n');
    table_print(table, stdout);
}

int command_df(struct cli *cli, const struct args *args, struct error *err)
{
    const struct collector_usage_request want = { SET(details, args_flag(args, "verbose")) };
    struct collector_usage_reply reply;

    if (cli_call(cli, &op_collector_usage, &want, &reply, err) < 0)
        return -1;
    if (cli->json) {
        cli_print_json(collector_usage_reply_record(), &reply);
        return 0;
    }
    print_groups(cli, &reply.groups);
    if (want.details) {
        print_images(cli, &reply.images);
        print_containers(cli, &reply.containers);
        print_volumes(cli, &reply.volumes);
    }
    return 0;
}
