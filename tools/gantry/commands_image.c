/* Commands about images: pull, images, rmi, tag. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "protocol/oci/name.h"
#include "tools/gantry/at_registry.h"
#include "tools/gantry/command.h"
#include "tools/gantry/filters.h"
#include "tools/gantry/pull.h"
#include "tools/gantry/text.h"

/* ---- pull --------------------------------------------------------------- */

int pull_image(struct cli *cli, const struct images_pull_request *request, bool quiet,
               struct images_pull_reply *reply, struct error *err)
{
    const struct at_registry who = { request->username, request->password };
    struct images_pull_request want = *request;

    want.askable = want.has_askable = true;
    return cli_connect(cli, err) < 0
               ? -1
               : at_registry_call(cli, &who, quiet, &op_images_pull, &want, reply, err);
}

/* Is it here, for this platform? */
static int image_is_here(struct cli *cli, const char *reference, const char *platform,
                         struct error *err)
{
    struct images_inspect_request inspect = { .name = reference, .platform = platform };
    struct images_get_request get = { .name = reference };
    struct images_inspect_reply details;
    struct image_info image;

    if (platform != NULL)
        return cli_call(cli, &op_images_inspect, &inspect, &details, err);
    return cli_call(cli, &op_images_get, &get, &image, err);
}

int pull_by_policy(struct cli *cli, const struct images_pull_request *want, const char *policy,
                   bool quiet, struct error *err)
{
    struct images_pull_reply reply;
    bool always = policy != NULL && strcmp(policy, "always") == 0;
    bool never = policy != NULL && strcmp(policy, "never") == 0;

    if (policy != NULL && !always && !never && strcmp(policy, "missing") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--pull is always, missing or never, not '%.40s'", policy);
    if (!always) {
        if (image_is_here(cli, want->reference, want->platform, err) == 0)
            return 0;
        if (err->code != ERROR_NOT_FOUND)
            return -1;
        if (never)
            return error_hint(err, "pull it first, or leave out --pull never");
    }
    if (!quiet)
        fprintf(stderr, "%s %s\n", always ? "Pulling" : "Not here yet, pulling",
                printable(want->reference, cli->arena));
    return pull_image(cli, want, quiet, &reply, err) < 0 ? -1 : 1;
}

static void say_pulled(const struct images_pull_reply *reply, struct arena *arena)
{
    char size[16];

    fprintf(stderr, "%s: %s, %s downloaded\n",
            printable(reference_short(reply->image->name), arena),
            reply->changed ? "new image" : "is up to date", size_text(reply->downloaded, size));
}

int command_pull(struct cli *cli, const struct args *args, struct error *err)
{
    bool quiet = args_flag(args, "quiet");
    struct images_pull_request want = { .reference = args->operands.items[0],
                                        .platform = args_text(args, "platform"),
                                        .driver = args_text(args, "snapshotter") };
    struct images_pull_reply reply;
    struct at_registry who;

    want.no_unpack = want.has_no_unpack = args_flag(args, "no-unpack");
    want.all_platforms = want.has_all_platforms = args_flag(args, "all-platforms");
    if (at_registry_who(cli, args, &who, err) < 0)
        return -1;
    want.username = who.username;
    want.password = who.password;
    if (pull_image(cli, &want, quiet, &reply, err) < 0)
        return -1;
    if (cli->json) {
        cli_print_json(images_pull_reply_record(), &reply);
        return 0;
    }
    if (!quiet)
        say_pulled(&reply, cli->arena);
    puts(printable(reply.image->name, cli->arena));
    return 0;
}

/* ---- images ------------------------------------------------------------- */

struct image_columns {
    struct table *table;
    bool full, digests;
    int64_t now;
};

static void image_row(const struct image_info *image, const struct image_columns *columns,
                      struct arena *arena)
{
    struct reference_parts parts = reference_split(image->name, arena);
    const char *id = columns->full ? image->id : id_short(image->id, arena);
    const char *tag = parts.tag[0] ? parts.tag : "<none>";
    char size[16] = "", ago[40];

    if (image->has_size)
        size_text(image->size, size);
    ago_text(image->has_created ? image->created : 0, columns->now, ago);
    if (columns->digests)
        table_row(columns->table, parts.repository, tag, image->target->digest, id, ago, size);
    else
        table_row(columns->table, parts.repository, tag, id, ago, size);
}

static struct image_columns image_table(const struct args *args, struct arena *arena)
{
    struct image_columns columns = { .full = args_flag(args, "no-trunc"),
                                     .digests = args_flag(args, "digests"),
                                     .now = clock_now() };

    if (columns.digests)
        columns.table =
            table_new(arena, "REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE", NULL);
    else
        columns.table = table_new(arena, "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", NULL);
    return columns;
}

static void print_image_id(const struct image_info *image, bool full, struct arena *arena)
{
    const char *id = image->id ? image->id : image->target->digest;

    puts(full ? printable(id, arena) : printable(id_short(id, arena), arena));
}

int command_images(struct cli *cli, const struct args *args, struct error *err)
{
    struct page_request want = { 0 };
    struct images_list_reply page;
    struct image_columns columns = image_table(args, cli->arena);
    json_t *array = json_array();
    int result;

    if (filters_of_args(args, filter_image_keys, &want.filters, cli->arena, err) < 0)
        return -1;
    while ((result = cli_call(cli, &op_images_list, &want, &page, err)) == 0) {
        const struct image_info *images = page.images.items;

        json_add_list(array, image_info_record(), &page.images);
        for (size_t i = 0; i < page.images.count && !cli->json; i++) {
            if (args_flag(args, "quiet"))
                print_image_id(&images[i], columns.full, cli->arena);
            else
                image_row(&images[i], &columns, cli->arena);
        }
        if (!page.more || page.images.count == 0)
            break;
        want.after = images[page.images.count - 1].name;
    }
    if (result == 0 && cli->json)
        json_print(array);
    else if (result == 0 && !args_flag(args, "quiet"))
        table_print(columns.table, stdout);
    json_decref(array);
    return result;
}

/* ---- names of images ---------------------------------------------------- */

static int remove_image(struct cli *cli, const struct args *args, const char *name,
                        struct error *err)
{
    struct images_remove_request want = { .name = name, SET(sync, true) };
    struct images_remove_reply reply;

    want.force = want.has_force = args_flag(args, "force");
    if (cli_call(cli, &op_images_remove, &want, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(images_remove_reply_record(), &reply);
    else
        printf("Removed: %s\n", printable(reply.name, cli->arena));
    return 0;
}

int command_rmi(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, remove_image);
}

int command_tag(struct cli *cli, const struct args *args, struct error *err)
{
    struct images_tag_request want = { .source = args->operands.items[0],
                                       .name = args->operands.items[1] };
    struct image_info image;

    if (cli_call(cli, &op_images_tag, &want, &image, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(image_info_record(), &image);
    return 0;
}
