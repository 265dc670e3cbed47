/*
 * Commands that show snapshots in a folder of this machine: image mount and umount, snapshot mount.
 *
 * The daemon describes mounts, and this side carries them out, as root.  What is shown is a
 * snapshot of its own, which keeps the layers under it; its key says where it is, so that umount
 * finds it.
 */
#include <stdio.h>
#include <string.h>

#include "platform/local_tree.h"
#include "platform/platform.h"
#include "tools/gantry/command.h"

#define GC_ROOT "containerd.io/gc.root"

struct showing {
    struct cli *cli;
    const char *driver;
    const char *folder; /* real */
    const char *key;    /* of the snapshot that umount removes */
};

static int showing_open(struct cli *cli, const char *driver, const char *folder,
                        struct showing *showing, struct error *err)
{
    struct local_info info;

    if (local_look(folder, &info, err) < 0)
        return -1;
    if (info.kind != LOCAL_FOLDER)
        return error_set(err, ERROR_NOT_FOUND, "%s: there is no such folder", folder);
    *showing = (struct showing){ cli, driver, arena_str(cli->arena, info.real), NULL };
    showing->key = arena_printf(cli->arena, "mounted:%s", showing->folder);
    return 0;
}

static void snapshot_forget(struct showing *showing)
{
    const struct snapshots_key_request want = { .key = showing->key, .driver = showing->driver };
    struct error ignored;

    cli_call(showing->cli, &op_snapshots_remove, &want, NULL, &ignored);
}

/* Of its own, on top of `parent`; nothing else names it. */
static int snapshot_make(struct showing *showing, const struct op *op, const char *parent,
                         struct snapshots_mounts_reply *place, struct error *err)
{
    struct map_entry root = { GC_ROOT, "mounted" };
    const struct snapshots_prepare_request want = {
        .key = showing->key,
        .driver = showing->driver,
        .parent = parent,
        .labels = { 1, &root },
    };

    if (cli_call(showing->cli, op, &want, place, err) == 0)
        return 0;
    if (err->code == ERROR_ALREADY_EXISTS)
        error_hint(err, "something was mounted there: gantry image umount %.80s", showing->folder);
    return -1;
}

static int show(struct showing *showing, const struct snapshots_mounts_reply *place, bool own,
                struct error *err)
{
    if (local_mount(showing->folder, &place->mounts, err) < 0) {
        if (own)
            snapshot_forget(showing);
        return error_wrap(err, "%s", showing->folder);
    }
    puts(showing->folder);
    return 0;
}

int command_image_mount(struct cli *cli, const struct args *args, struct error *err)
{
    const struct images_inspect_request which = { .name = args->operands.items[0],
                                                  .platform = args_text(args, "platform") };
    const struct op *op = args_flag(args, "rw") ? &op_snapshots_prepare : &op_snapshots_view;
    struct images_inspect_reply image;
    struct snapshots_mounts_reply place;
    struct showing showing;

    if (showing_open(cli, NULL, args->operands.items[1], &showing, err) < 0 ||
        cli_call(cli, &op_images_unpack, &which, &image, err) < 0)
        return -1;
    if (image.chain_id == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: has no files", which.name);
    if (snapshot_make(&showing, op, image.chain_id, &place, err) < 0)
        return -1;
    return show(&showing, &place, true, err);
}

int command_snapshot_mount(struct cli *cli, const struct args *args, struct error *err)
{
    const struct snapshots_key_request which = { .key = args->operands.items[0],
                                                 .driver = args_text(args, "snapshotter") };
    struct snapshots_mounts_reply place;
    struct snapshot_info snapshot;
    struct showing showing;
    bool is_committed;

    if (showing_open(cli, which.driver, args->operands.items[1], &showing, err) < 0 ||
        cli_call(cli, &op_snapshots_stat, &which, &snapshot, err) < 0)
        return -1;
    is_committed = strcmp(snapshot.kind, "committed") == 0;
    if (is_committed ? snapshot_make(&showing, &op_snapshots_view, which.key, &place, err) < 0
                     : cli_call(cli, &op_snapshots_mounts, &which, &place, err) < 0)
        return -1;
    return show(&showing, &place, is_committed, err);
}

/* Where no driver is said it is the default one's, mostly, and else any other's.  NOT_FOUND: there is none. */
static int snapshot_take_away(struct showing *showing, struct error *err)
{
    static const struct snapshots_drivers_request all;
    struct snapshots_key_request which = { .key = showing->key, .driver = showing->driver };
    struct snapshots_drivers_reply reply;
    const struct snapshot_driver *drivers;

    if (cli_call(showing->cli, &op_snapshots_remove, &which, NULL, err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND || showing->driver != NULL ||
        cli_call(showing->cli, &op_snapshots_drivers, &all, &reply, err) < 0)
        return -1;
    drivers = reply.drivers.items;
    for (size_t i = 0; i < reply.drivers.count; i++) {
        which.driver = drivers[i].name;
        if (cli_call(showing->cli, &op_snapshots_remove, &which, NULL, err) == 0)
            return 0;
        if (err->code != ERROR_NOT_FOUND)
            return -1;
    }
    return error_set(err, ERROR_NOT_FOUND, "%s: no snapshot is mounted there", showing->folder);
}

/* Also after a reboot, which has unmounted everything: what is left then is the snapshot. */
int command_image_umount(struct cli *cli, const struct args *args, struct error *err)
{
    struct showing showing;
    struct error none;
    bool was_mounted;

    if (showing_open(cli, args_text(args, "snapshotter"), args->operands.items[0], &showing, err) < 0)
        return -1;
    was_mounted = local_umount(showing.folder, err) == 0;
    if (!was_mounted && err->code != ERROR_NOT_FOUND)
        return -1;
    if (snapshot_take_away(&showing, was_mounted ? err : &none) < 0 &&
        !(was_mounted && err->code == ERROR_NOT_FOUND))
        return -1;
    puts(showing.folder);
    return 0;
}
