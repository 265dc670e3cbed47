/*
 * native — every layer is a copy of its parent, with its own changes in it.
 *
 * Works on every file system, and costs its size again for each layer but where the file system shares
 * the bytes of copies (xfs, btrfs).
 */
#include "platform/linux/drivers.h"
#include "platform/linux/whole.h"

static int check(const char *folder, struct error *err)
{
    (void)folder, (void)err;
    return 0;
}

static int make(const char *path, struct error *err)
{
    return fs_folder_make(path, 0755, err);
}

static const struct whole_kind kind = { .check = check, .make = make, .drop = fs_remove_tree };

static int native_open(const char *folder, void **state, struct error *err)
{
    return whole_open(&kind, folder, state, err);
}

const struct snapshotter native_snapshotter = WHOLE_SNAPSHOTTER("native", native_open);
