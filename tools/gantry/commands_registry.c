/* Commands about what registries have: tags ls, manifest inspect, manifest delete, blob delete,
 * referrers. */
#include <stdio.h>
#include <string.h>

#include "platform/terminal.h"
#include "tools/gantry/at_registry.h"
#include "tools/gantry/text.h"

/* About the one operand; who asks is filled in. */
static int ask(struct cli *cli, const struct args *args, const struct op *op,
               struct images_ask_request want, void *reply, struct error *err)
{
    struct at_registry who;

    want.reference = args->operands.items[0];
    want.askable = want.has_askable = true;
    if (at_registry_who(cli, args, &who, err) < 0)
        return -1;
    want.username = who.username;
    want.password = who.password;
    return at_registry_call(cli, &who, true, op, &want, reply, err);
}

int command_tags_ls(struct cli *cli, const struct args *args, struct error *err)
{
    struct images_ask_request want = { .after = args_text(args, "after") };
    struct images_tags_reply reply;
    int limited = args_u64(args, "limit", &want.limit, err);

    want.has_limit = limited > 0;
    if (limited < 0 || ask(cli, args, &op_images_tags, want, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(images_tags_reply_record(), &reply);
    else
        for (size_t i = 0; i < reply.tags.count; i++)
            puts(printable(reply.tags.items[i], cli->arena));
    return 0;
}

/* For a person, who may not see what terminals take for commands. */
static void show_document(const char *text, struct arena *arena)
{
    json_t *json = json_loads(text, 0, NULL);

    if (json != NULL)
        json_print(json);
    else
        puts(printable(text, arena));
    json_decref(json);
}

/* To a file or a pipe as it is: its digest can be verified there. */
int command_manifest_inspect(struct cli *cli, const struct args *args, struct error *err)
{
    struct images_manifest_reply reply;

    if (ask(cli, args, &op_images_manifest, (struct images_ask_request){ 0 }, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(images_manifest_reply_record(), &reply);
    else if (terminal_is(OUTPUT_FD))
        show_document(reply.document, cli->arena);
    else
        fputs(reply.document, stdout);
    return 0;
}

static int forget(struct cli *cli, const struct args *args, bool blob, struct error *err)
{
    const struct images_ask_request want = { SET(blob, blob) };
    struct images_forget_reply reply;

    if (ask(cli, args, &op_images_forget, want, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(images_forget_reply_record(), &reply);
    else
        printf("Removed: %s\n", printable(reply.reference, cli->arena));
    return 0;
}

int command_manifest_delete(struct cli *cli, const struct args *args, struct error *err)
{
    return forget(cli, args, false, err);
}

int command_blob_delete(struct cli *cli, const struct args *args, struct error *err)
{
    return forget(cli, args, true, err);
}

int command_referrers(struct cli *cli, const struct args *args, struct error *err)
{
    struct table *table = table_new(cli->arena, "DIGEST", "ARTIFACT TYPE", "SIZE", NULL);
    const struct images_ask_request want = { .artifact_type = args_text(args, "artifact-type") };
    struct images_referrers_reply reply;
    const struct image_referrer *items;
    char size[16];

    if (ask(cli, args, &op_images_referrers, want, &reply, err) < 0)
        return -1;
    if (cli->json) {
        cli_print_json(images_referrers_reply_record(), &reply);
        return 0;
    }
    items = reply.referrers.items;
    for (size_t i = 0; i < reply.referrers.count; i++)
        table_row(table, items[i].blob->digest,
                  items[i].artifact_type != NULL ? items[i].artifact_type : "",
                  size_text(items[i].blob->size, size));
    table_print(table, stdout);
    return 0;
}
