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

/* As docker's last line: "latest: digest: sha256:... size: 527" */
static void print_pushed(const struct images_push_reply *reply, struct arena *arena)
{
    struct reference_parts parts = reference_split(reply->reference, arena);

    printf("%s: digest: %s size: %llu\n", parts.tag[0] ? printable(parts.tag, arena) : "-",
           printable(reply->target->digest, arena), (unsigned long long)reply->target->size);
}

static void print_reply(struct cli *cli, const struct images_push_reply *reply, bool quiet)
{
    if (cli->json) {
        cli_print_json(images_push_reply_record(), reply);
    } else if (quiet) {
        puts(printable(reply->reference, cli->arena));
    } else {
        say_pushed(reply, cli->arena);
        print_pushed(reply, cli->arena);
    }
}

/* Where to: as the operand says, else as the image is called.  Known here before the daemon is
   asked, since credentials must be those of that very registry. */
static int push_reference(struct cli *cli, const struct args *args, const char **reference,
                          struct error *err)
{
    const struct images_get_request want = { .name = args->operands.items[0] };
    struct image_info image;

    if (args->operands.count > 1) {
        *reference = args->operands.items[1];
        return 0;
    }
    if (cli_connect(cli, err) < 0 || cli_call(cli, &op_images_get, &want, &image, err) < 0)
        return -1;
    *reference = image.name;
    return 0;
}

int command_push(struct cli *cli, const struct args *args, struct error *err)
{
    bool quiet = args_flag(args, "quiet");
    struct images_push_request want = { .name = args->operands.items[0],
                                        .platform = args_text(args, "platform") };
    struct images_push_reply reply;
    struct at_registry who;

    want.all_platforms = want.has_all_platforms = args_flag(args, "all-platforms");
    if (push_reference(cli, args, &want.reference, err) < 0 ||
        at_registry_who(cli, args, want.reference, &who, err) < 0)
        return -1;
    want.username = who.username;
    want.password = who.password;
    want.identity_token = who.identity_token;
    want.registry_token = who.registry_token;
    want.mirrors = who.mirrors.known;
    if (at_registry_call(cli, &who, quiet, &op_images_push, &want, &reply, err) < 0)
        return -1;
    print_reply(cli, &reply, quiet);
    return 0;
}

int command_copy(struct cli *cli, const struct args *args, struct error *err)
{
    bool quiet = args_flag(args, "quiet");
    struct images_copy_request want = { .source = args->operands.items[0],
                                        .reference = args->operands.items[1],
                                        .platform = args_text(args, "platform") };
    struct images_push_reply reply;
    struct at_registry who, from;
    int result;

    if (at_registry_who(cli, args, want.reference, &who, err) < 0 ||
        at_registry_known(cli, want.source, &from, err) < 0)
        return -1;
    want.username = who.username;
    want.password = who.password;
    want.identity_token = who.identity_token;
    want.registry_token = who.registry_token;
    want.mirrors = who.mirrors.known;
    want.source_username = from.username;
    want.source_password = from.password;
    want.source_identity_token = from.identity_token;
    want.source_registry_token = from.registry_token;
    want.source_mirrors = from.mirrors.known;
    result = at_registry_call(cli, &who, quiet, &op_images_copy, &want, &reply, err);
    at_registry_wipe(&from);
    if (result == 0)
        print_reply(cli, &reply, quiet);
    return result;
}
