/* prune, container prune, image prune: what is not in use goes, after a question. */
#include "tools/gantry/prune.h"

int command_container_prune(struct cli *cli, const struct args *args, struct error *err)
{
    struct prune prune;
    int no = prune_begin(&prune, cli, args, "  all containers that do not run\n", err);

    if (no != 0)
        return no;
    if (prune_containers(&prune, err) < 0)
        return -1;
    return prune_end(&prune, err);
}

int command_image_prune(struct cli *cli, const struct args *args, struct error *err)
{
    bool all = args_flag(args, "all");
    struct prune prune;
    int no = prune_begin(&prune, cli, args,
                         all ? "  all images that no container was made from\n"
                               "  all downloads that were broken off\n"
                             : "  all downloads that were broken off\n",
                         err);

    if (no != 0)
        return no;
    if (prune_images(&prune, all, err) < 0 || prune_downloads(&prune, err) < 0)
        return -1;
    return prune_end(&prune, err);
}

static const char *question(struct cli *cli, bool all, bool volumes)
{
    return arena_printf(cli->arena, "  all containers that do not run\n%s%s%s",
                        all ? "  all images that no container was made from\n" : "",
                        volumes ? "  all volumes without a name that no container holds\n" : "",
                        "  all downloads that were broken off\n");
}

int command_prune(struct cli *cli, const struct args *args, struct error *err)
{
    bool all = args_flag(args, "all"), volumes = args_flag(args, "volumes");
    struct prune prune;
    int no = prune_begin(&prune, cli, args, question(cli, all, volumes), err);

    if (no != 0)
        return no;
    if (volumes && prune.until != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--volumes: not with the filter until, which volumes do not have");
    if (prune_containers(&prune, err) < 0 || prune_images(&prune, all, err) < 0 ||
        (volumes && prune_volumes(&prune, err) < 0) || prune_downloads(&prune, err) < 0)
        return -1;
    return prune_end(&prune, err);
}
