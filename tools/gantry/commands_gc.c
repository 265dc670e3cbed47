/*
 * gc and why: what nothing keeps goes, and what keeps a thing can be asked.
 *
 * --dry-run and --explain ask before the run: what is let go of meanwhile goes as well, and what
 * is taken up again stays.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/text.h"

static const struct nothing nothing;

/* ---- gc ----------------------------------------------------------------------------------- */

static const char *reason(const struct garbage_info *item, struct arena *arena)
{
    if (item->lease != NULL)
        return arena_printf(arena, "lease %s has lapsed", item->lease);
    if (item->pointers > 0)
        return arena_printf(arena, "all %" PRIu64 " that lead to it go, too", item->pointers);
    return "nothing leads to it";
}

static const char *behind(const struct garbage_info *item, struct arena *arena)
{
    return arena_printf(arena, "%s %s %s", item->kind, item->driver != NULL ? item->driver : "",
                        item->key);
}

struct listing {
    struct table *table;
    json_t *array;
    bool explain;
    uint64_t count, bytes;
};

static void list_page(struct cli *cli, const struct collector_list_reply *page,
                      struct listing *listing)
{
    const struct garbage_info *items = page->garbage.items;
    char size[16];

    json_add_list(listing->array, garbage_info_record(), &page->garbage);
    for (size_t i = 0; i < page->garbage.count; i++) {
        table_row(listing->table, items[i].kind, items[i].driver != NULL ? items[i].driver : "",
                  items[i].key, items[i].size > 0 ? size_text(items[i].size, size) : "",
                  reason(&items[i], cli->arena));
        listing->bytes += items[i].size;
    }
    listing->count += page->garbage.count;
}

static int list_garbage(struct cli *cli, struct listing *listing, struct error *err)
{
    struct page_request want = { 0 };
    struct collector_list_reply page;

    do {
        if (cli_call(cli, &op_collector_list, &want, &page, err) < 0)
            return -1;
        list_page(cli, &page, listing);
        if (page.garbage.count > 0)
            want.after =
                behind(&((const struct garbage_info *)page.garbage.items)[page.garbage.count - 1],
                       cli->arena);
    } while (page.more && page.garbage.count > 0);
    return 0;
}

static int show_garbage(struct cli *cli, bool only, struct error *err)
{
    struct listing listing = {
        .table = table_new(cli->arena, "KIND", "DRIVER", "NAME", "SIZE", "WHY", NULL),
        .array = json_array(),
    };
    char size[16];
    int result = list_garbage(cli, &listing, err);

    if (result == 0 && cli->json && only)
        json_print(listing.array);
    else if (result == 0 && !cli->json)
        table_print(listing.table, stdout);
    if (result == 0 && !cli->json && only)
        printf("To be removed: %" PRIu64 " things, blobs of %s\n", listing.count,
               size_text(listing.bytes, size));
    json_decref(listing.array);
    return result;
}

int command_gc(struct cli *cli, const struct args *args, struct error *err)
{
    bool dry = args_flag(args, "dry-run");
    struct collector_run_reply reply;
    char size[16];

    if ((dry || (args_flag(args, "explain") && !cli->json)) && show_garbage(cli, dry, err) < 0)
        return -1;
    if (dry)
        return 0;
    if (cli_call(cli, &op_collector_run, &nothing, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(collector_run_reply_record(), &reply);
    else
        printf("Removed: %" PRIu64 " blobs (%s), %" PRIu64 " snapshots, %" PRIu64
               " leases, %" PRIu64 " images whose time had come\n",
               reply.content, size_text(reply.bytes, size), reply.snapshots, reply.leases,
               reply.images);
    return 0;
}

/* ---- why ---------------------------------------------------------------------------------- */

static void print_keeper(struct cli *cli, const struct keeper *keeper, size_t depth)
{
    char time[TIME_TEXT_SIZE];

    printf("%*s%s %s", (int)(2 * depth + 2), "", keeper->kind, printable(keeper->key, cli->arena));
    if (keeper->driver != NULL)
        printf(" (%s)", keeper->driver);
    if (keeper->has_expires)
        printf(", until %s", time_text(keeper->expires, time));
    putchar('\n');
}

static void print_thing(struct cli *cli, const struct kept_thing *thing)
{
    const struct keeper *way = thing->way.items;

    printf("%s %s", thing->kind, printable(thing->key, cli->arena));
    if (thing->driver != NULL)
        printf(" (%s)", thing->driver);
    puts(thing->way.count > 0 ? " is kept by" : ": nothing keeps it, the next gc removes it");
    for (size_t i = 0; i + 1 < thing->way.count; i++)
        print_keeper(cli, &way[i], i);
}

int command_why(struct cli *cli, const struct args *args, struct error *err)
{
    const struct collector_why_request want = { .name = args->operands.items[0] };
    struct collector_why_reply reply;
    const struct kept_thing *things;

    if (cli_call(cli, &op_collector_why, &want, &reply, err) < 0)
        return -1;
    things = reply.things.items;
    if (cli->json)
        cli_print_json(collector_why_reply_record(), &reply);
    for (size_t i = 0; i < reply.things.count && !cli->json; i++)
        print_thing(cli, &things[i]);
    return 0;
}
