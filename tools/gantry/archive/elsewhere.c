/*
 * save, load, import, cp and mounting of the everyday command: it becomes gantry-embedded, which has libarchive,
 * so that no other command loads it.  There the same line is a client like here, or has its engine.
 */
#include "platform/platform.h"
#include "tools/gantry/command.h"

static int become(const struct cli *cli, struct error *err)
{
    char path[PATH_SIZE];

    if (program_find("gantry-embedded", path, err) < 0)
        return error_wrap(err, "read and write archives");
    return process_become(path, cli->argv, err);
}

int command_save(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}

int command_cp(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}

int command_image_mount(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}

int command_image_umount(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}

int command_snapshot_mount(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}

int command_load(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}

int command_import(struct cli *cli, const struct args *args, struct error *err)
{
    (void)args;
    return become(cli, err);
}
