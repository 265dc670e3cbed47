/* The command commit: a container's files become an image. */
#include <stdio.h>

#include "tools/gantry/command.h"
#include "tools/gantry/options.h"

int command_commit(struct cli *cli, const struct args *args, struct error *err)
{
    struct containers_commit_request want = {
        .id = args->operands.items[0],
        .name = args->operands.count > 1 ? args->operands.items[1] : NULL,
        .changes = args_list(args, "change", cli->arena),
        .author = args_text(args, "author"),
        .message = args_text(args, "message"),
        .pause = args_flag(args, "pause"),
        .has_pause = args_has(args, "pause"),
        .media_type = args_text(args, "media-type"),
    };
    struct containers_commit_reply made;
    int given = option_epoch(args, &want.latest, err);

    if (given < 0)
        return -1;
    want.has_latest = given == 1;
    if (cli_call(cli, &op_containers_commit, &want, &made, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(containers_commit_reply_record(), &made);
    else
        puts(made.image->id != NULL ? made.image->id : made.image->target->digest);
    return 0;
}
