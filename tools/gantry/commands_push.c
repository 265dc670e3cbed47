/* Commands that send images to registries: push, copy. */
#include <stdio.h>
#include <string.h>

#include "protocol/oci/name.h"
#include "tools/gantry/at_registry.h"
#include "tools/gantry/text.h"

static void say_pushed(const struct images_push_reply *reply, struct arena *arena)
{
    char size[16];

    if (reply->has_alone && reply->alone)
        fprintf(stderr, "The index is not all here: its one variant that is went in its place "
                        "(--all-platforms refuses that)\n");
    fprintf(stderr, "%s: %s sent", printable(reference_short(reply->reference), arena),
            size_text(reply->sent, size));
    if (reply->host != NULL)
        fprintf(stderr, " to %s", printable(reply->host, arena));
    if (reply->mounted > 0)
        fprintf(stderr, ", %llu of its blobs taken from another repository there",
                (unsigned long long)reply->mounted);
    if (reply->present > 0)
        fprintf(stderr, ", %llu were there", (unsigned long long)reply->present);
    fputc('\n', stderr);
}

static void print_tag(const char *tag, const struct descriptor *target, struct arena *arena)
{
    printf("%s: digest: %s size: %llu\n", printable(tag, arena), printable(target->digest, arena),
           (unsigned long long)target->size);
}

/* As docker's last line: "latest: digest: sha256:... size: 527" */
static void print_pushed(const struct images_push_reply *reply, const struct strs *tags,
                         struct arena *arena)
{
    struct reference_parts parts = reference_split(reply->reference, arena);

    if (parts.tag[0] != '\0' || tags->count == 0)
        print_tag(parts.tag[0] != '\0' ? parts.tag : "-", reply->target, arena);
    for (size_t i = 0; i < tags->count; i++)
        print_tag(tags->items[i], reply->target, arena);
}

/* `tags`: what else it is called there. */
static void print_reply(struct cli *cli, const struct images_push_reply *reply,
                        const struct strs *tags, bool quiet)
{
    if (cli->json) {
        cli_print_json(images_push_reply_record(), reply);
    } else if (quiet) {
        puts(printable(reply->reference, cli->arena));
    } else {
        say_pushed(reply, cli->arena);
        print_pushed(reply, tags, cli->arena);
    }
}

int command_push(struct cli *cli, const struct args *args, struct error *err)
{
    bool quiet = args_flag(args, "quiet");
    struct images_push_request want = { .name = args->operands.items[0],
                                        .platform = args_text(args, "platform"),
                                        .tags = args_list(args, "tag", cli->arena),
                                        SET(askable, true) };
    struct images_push_reply reply;
    struct at_registry who;

    want.all_platforms = want.has_all_platforms = args_flag(args, "all-platforms");
    if (args->operands.count > 1)
        want.reference = args->operands.items[1];
    if (at_registry_who(cli, args, &who, err) < 0)
        return -1;
    want.username = who.username;
    want.password = who.password;
    if (at_registry_call(cli, &who, quiet, &op_images_push, &want, &reply, err) < 0)
        return -1;
    print_reply(cli, &reply, &want.tags, quiet);
    return 0;
}

int command_copy(struct cli *cli, const struct args *args, struct error *err)
{
    bool quiet = args_flag(args, "quiet");
    struct images_copy_request want = { .source = args->operands.items[0],
                                        .reference = args->operands.items[1],
                                        .platform = args_text(args, "platform"),
                                        SET(askable, true) };
    struct images_push_reply reply;
    struct at_registry who; /* at the other one */

    if (at_registry_who(cli, args, &who, err) < 0)
        return -1;
    want.username = who.username;
    want.password = who.password;
    if (at_registry_call(cli, &who, quiet, &op_images_copy, &want, &reply, err) < 0)
        return -1;
    print_reply(cli, &reply, &(struct strs){ 0 }, quiet);
    return 0;
}
