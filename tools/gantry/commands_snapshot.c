/*
 * Commands about snapshots: what layers of images and containers are made of, for who builds or
 * looks after them by hand.
 *
 * A mount is printed as a command, as it is carried out: `snapshot mounts` for eval.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

/* ---- ls and tree -------------------------------------------------------------------------- */

struct snapshots {
    struct snapshot_info *items;
    size_t count, room;
};

static void add_page(struct snapshots *all, const struct snapshots_list_reply *page,
                     struct arena *arena)
{
    const struct snapshot_info *items = page->snapshots.items;

    for (size_t i = 0; i < page->snapshots.count; i++) {
        if (all->count == all->room) {
            struct snapshot_info *grown =
                arena_alloc(arena, (all->room = 2 * all->room + 64) * sizeof(*grown));

            if (all->count > 0)
                memcpy(grown, all->items, all->count * sizeof(*grown));
            all->items = grown;
        }
        all->items[all->count++] = items[i];
    }
}

static int list_all(struct cli *cli, const struct args *args, const struct strs *filters,
                    struct snapshots *all, struct error *err)
{
    struct snapshots_list_request want = { .driver = args_text(args, "snapshotter"),
                                           .filters = *filters };
    struct snapshots_list_reply page;

    do {
        if (cli_call(cli, &op_snapshots_list, &want, &page, err) < 0)
            return -1;
        add_page(all, &page, cli->arena);
        if (page.snapshots.count > 0)
            want.after = all->items[all->count - 1].key;
    } while (page.more && page.snapshots.count > 0);
    return 0;
}

static void print_json(const struct snapshots *all)
{
    const struct list list = { .items = all->items, .count = all->count };
    json_t *array = json_array();

    json_add_list(array, snapshot_info_record(), &list);
    json_print(array);
    json_decref(array);
}

static void print_table(struct cli *cli, const struct snapshots *all)
{
    struct table *table = table_new(cli->arena, "KEY", "PARENT", "KIND", "CREATED", NULL);
    char ago[40];

    for (size_t i = 0; i < all->count; i++)
        table_row(table, all->items[i].key,
                  all->items[i].parent != NULL ? all->items[i].parent : "", all->items[i].kind,
                  ago_text(all->items[i].created, clock_now(), ago));
    table_print(table, stdout);
}

int command_snapshot_ls(struct cli *cli, const struct args *args, struct error *err)
{
    const struct strs filters = args_list(args, "filter", cli->arena);
    struct snapshots all = { 0 };

    if (list_all(cli, args, &filters, &all, err) < 0)
        return -1;
    if (cli->json)
        print_json(&all);
    else if (args_flag(args, "quiet"))
        for (size_t i = 0; i < all.count; i++)
            puts(printable(all.items[i].key, cli->arena));
    else
        print_table(cli, &all);
    return 0;
}

static bool stands_on(const struct snapshot_info *snapshot, const char *parent)
{
    if (snapshot->parent == NULL || parent == NULL)
        return snapshot->parent == NULL && parent == NULL;
    return strcmp(snapshot->parent, parent) == 0;
}

/* No deeper than there are snapshots: a parent is older than its children. */
static void print_branch(struct cli *cli, const struct snapshots *all, const char *parent,
                         int depth)
{
    for (size_t i = 0; i < all->count; i++)
        if (stands_on(&all->items[i], parent)) {
            printf("%*s%s%s%s\n", 2 * depth, "", printable(all->items[i].key, cli->arena),
                   strcmp(all->items[i].kind, "committed") != 0 ? ", " : "",
                   strcmp(all->items[i].kind, "committed") != 0 ? all->items[i].kind : "");
            print_branch(cli, all, all->items[i].key, depth + 1);
        }
}

int command_snapshot_tree(struct cli *cli, const struct args *args, struct error *err)
{
    const struct strs everything = { 0 };
    struct snapshots all = { 0 };

    if (list_all(cli, args, &everything, &all, err) < 0)
        return -1;
    if (cli->json)
        print_json(&all);
    else
        print_branch(cli, &all, NULL, 0);
    return 0;
}

/* ---- mounts ------------------------------------------------------------------------------- */

static const char *joined(const struct strs *words, struct arena *arena)
{
    const char *all = "";

    for (size_t i = 0; i < words->count; i++)
        all = arena_printf(arena, "%s%s%s", all, i > 0 ? "," : "", words->items[i]);
    return all;
}

/* For a shell: 'it'\''s' */
static const char *quoted(const char *text, struct arena *arena)
{
    char *out = arena_alloc(arena, 4 * strlen(text) + 3), *at = out;

    if (text[strspn(text,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,.:/=@%+-")] ==
            '\0' &&
        *text != '\0')
        return text;
    *at++ = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            at = stpcpy(at, "'\\'");
        *at++ = *text;
    }
    stpcpy(at, "'");
    return out;
}

static void print_mounts(struct cli *cli, const struct snapshots_mounts_reply *reply,
                         const char *target)
{
    const struct mount *mounts = reply->mounts.items;

    if (cli->json) {
        cli_print_json(snapshots_mounts_reply_record(), reply);
        return;
    }
    for (size_t i = 0; i < reply->mounts.count; i++) {
        const struct mount *mount = &mounts[i];
        const char *options = joined(&mount->options, cli->arena);

        printf("mount -t %s%s%s %s %s%s%s\n", mount->type, *options != '\0' ? " -o " : "",
               *options != '\0' ? quoted(options, cli->arena) : "",
               quoted(mount->source != NULL ? mount->source : mount->type, cli->arena),
               quoted(target, cli->arena), mount->target != NULL ? "/" : "",
               mount->target != NULL ? quoted(mount->target, cli->arena) : "");
    }
}

int command_snapshot_mounts(struct cli *cli, const struct args *args, struct error *err)
{
    const struct snapshots_key_request want = { .key = args->operands.items[0],
                                                .driver = args_text(args, "snapshotter") };
    struct snapshots_mounts_reply reply;

    if (cli_call(cli, &op_snapshots_mounts, &want, &reply, err) < 0)
        return -1;
    print_mounts(cli, &reply, args->operands.items[1]);
    return 0;
}

/* ---- making and changing -------------------------------------------------------------------- */

static int make(struct cli *cli, const struct args *args, const struct op *op, struct error *err)
{
    const struct strs labels = args_list(args, "label", cli->arena);
    const struct snapshots_prepare_request want = {
        .key = args->operands.items[0],
        .parent = args->operands.count > 1 ? args->operands.items[1] : NULL,
        .driver = args_text(args, "snapshotter"),
        .labels = options_map(&labels, cli->arena),
    };
    struct snapshots_mounts_reply reply;

    if (cli_call(cli, op, &want, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(snapshots_mounts_reply_record(), &reply);
    else
        puts(printable(want.key, cli->arena));
    return 0;
}

int command_snapshot_prepare(struct cli *cli, const struct args *args, struct error *err)
{
    return make(cli, args, &op_snapshots_prepare, err);
}

int command_snapshot_view(struct cli *cli, const struct args *args, struct error *err)
{
    return make(cli, args, &op_snapshots_view, err);
}

static void print_one(struct cli *cli, const struct snapshot_info *snapshot)
{
    if (cli->json)
        cli_print_json(snapshot_info_record(), snapshot);
    else
        puts(printable(snapshot->key, cli->arena));
}

int command_snapshot_commit(struct cli *cli, const struct args *args, struct error *err)
{
    const struct strs labels = args_list(args, "label", cli->arena);
    const struct snapshots_commit_request want = { .key = args->operands.items[0],
                                                   .name = args->operands.items[1],
                                                   .driver = args_text(args, "snapshotter"),
                                                   .labels = options_map(&labels, cli->arena) };
    struct snapshot_info made;

    if (cli_call(cli, &op_snapshots_commit, &want, &made, err) < 0)
        return -1;
    print_one(cli, &made);
    return 0;
}

int command_snapshot_label(struct cli *cli, const struct args *args, struct error *err)
{
    const struct strs words = { .items = args->operands.items + 1,
                                .count = args->operands.count - 1 };
    const struct snapshots_update_request want = { .key = args->operands.items[0],
                                                   .driver = args_text(args, "snapshotter"),
                                                   .labels = options_map(&words, cli->arena) };
    struct snapshot_info changed;

    if (cli_call(cli, &op_snapshots_update, &want, &changed, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(snapshot_info_record(), &changed);
    else
        puts(labels_text(&changed.labels, cli->arena));
    return 0;
}

static int remove_one(struct cli *cli, const struct args *args, const char *key, struct error *err)
{
    const struct snapshots_key_request want = { .key = key,
                                                .driver = args_text(args, "snapshotter"),
                                                SET(sync, args_flag(args, "sync")) };

    if (cli_call(cli, &op_snapshots_remove, &want, NULL, err) < 0)
        return -1;
    puts(printable(key, cli->arena));
    return 0;
}

int command_snapshot_rm(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, remove_one);
}

static int usage_of(struct cli *cli, const struct args *args, const char *key, struct error *err)
{
    const struct snapshots_key_request want = { .key = key,
                                                .driver = args_text(args, "snapshotter") };
    struct snapshots_usage_reply reply;
    char size[16];

    if (cli_call(cli, &op_snapshots_usage, &want, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(snapshots_usage_reply_record(), &reply);
    else
        printf("%s: %s, %" PRIu64 " files of its own\n", printable(key, cli->arena),
               size_text(reply.size, size), reply.inodes);
    return 0;
}

int command_snapshot_usage(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, usage_of);
}
