/*
 * masks — paths that are covered, and paths that become read-only.
 *
 * A file is covered by /dev/null, a folder by an empty read-only tmpfs.  Neither is looked up
 * in the container: a /dev/null there may be a link to what was to be hidden, and covering one
 * with the other would open it for writing (CVE-2025-31133, CVE-2025-52881).  The host's null
 * is taken while it is in reach, seen to be the character device 1:3 on the very descriptor,
 * and copies of that mount are put on descriptors of the paths (CVE-2019-16884 and the races
 * after it: a path is walked once, links that procfs makes up are refused).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "platform/linux/runtime/rootfs_parts.h"

int masks_open(struct rootfs *rootfs, struct error *err)
{
    struct stat st;

    if (rootfs->masked.count == 0)
        return 0;
    rootfs->null = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (rootfs->null < 0 || fstat(rootfs->null, &st) < 0)
        return error_sys(err, errno, "/dev/null, for linux.maskedPaths");
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "/dev/null, for linux.maskedPaths: is not the null device");
}

/* What does not exist needs no cover.  "/" is the container's by now. */
static int path_open(const char *path, struct error *err)
{
    int found = inside_open(AT_FDCWD, path, O_PATH);

    err->code = ERROR_NONE;
    if (found >= 0 || errno == ENOENT || errno == ENOTDIR)
        return found;
    return error_sys(err, errno, "%s", path);
}

/* ---- covers ----------------------------------------------------------------------- */

/* A mount, once it is used; the next is a copy of it.  (A detached one cannot be copied before
   Linux 6.15.) */
struct cover {
    int tree;
    bool used;
};

static int empty_folder(struct error *err)
{
    CLEANUP(fd_drop) int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    int tree = -1;

    if (context >= 0 && fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0 &&
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        tree =
            fsmount(context, FSMOUNT_CLOEXEC,
                    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return tree < 0 ? error_sys(err, errno, "an empty folder") : tree;
}

static int cover_put(struct cover *cover, int target)
{
    if (cover->used) {
        int copy = open_tree(cover->tree, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

        if (copy < 0)
            return -1;
        close(cover->tree);
        cover->tree = copy;
    }
    cover->used = true;
    return mount_attach(cover->tree, target);
}

static int path_mask(const char *path, struct cover *file, struct cover *folder, struct error *err)
{
    CLEANUP(fd_drop) int target = path_open(path, err);
    struct cover *cover = file;
    struct stat st;

    if (target < 0)
        return err->code == ERROR_NONE ? 0 : -1;
    if (fstat(target, &st) < 0)
        return error_sys(err, errno, "%s", path);
    if (S_ISDIR(st.st_mode)) {
        cover = folder;
        if (folder->tree < 0 && (folder->tree = empty_folder(err)) < 0)
            return -1;
    }
    return cover_put(cover, target) < 0 ? error_sys(err, errno, "%s", path) : 0;
}

int masks_apply(struct rootfs *rootfs, struct error *err)
{
    struct cover file = { .tree = rootfs->null }, folder = { .tree = -1 };
    int status = 0;

    rootfs->null = -1;
    for (size_t i = 0; status == 0 && i < rootfs->masked.count; i++)
        status = path_mask(rootfs->masked.items[i], &file, &folder, err);
    fd_drop(&file.tree);
    fd_drop(&folder.tree);
    return status < 0 ? error_wrap(err, "linux.maskedPaths") : 0;
}

/* ---- read-only paths -------------------------------------------------------------- */

static int path_seal(const char *path, struct error *err)
{
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
    CLEANUP(fd_drop) int target = path_open(path, err);
    CLEANUP(fd_drop) int tree = -1;

    if (target < 0)
        return err->code == ERROR_NONE ? 0 : -1;
    tree =
        open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0 ||
        mount_attach(tree, target) < 0)
        return error_sys(err, errno, "%s", path);
    return 0;
}

int paths_seal(struct rootfs *rootfs, struct error *err)
{
    for (size_t i = 0; i < rootfs->sealed.count; i++)
        if (path_seal(rootfs->sealed.items[i], err) < 0)
            return error_wrap(err, "linux.readonlyPaths");
    return 0;
}
