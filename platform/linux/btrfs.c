/*
 * btrfs — every layer is a subvolume, and a snapshot of its parent's.
 *
 * By ioctl_btrfs(2) and linux/btrfs.h.  A container may have made subvolumes in its own, which keep the
 * kernel from removing that in one step: they go before it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/linux/drivers.h"
#include "platform/linux/quota.h"
#include "platform/linux/whole.h"
#include "platform/scope.h"

#define ROOT_INODE 256 /* of every subvolume: BTRFS_FIRST_FREE_OBJECTID */

static int check(const char *folder, struct error *err)
{
    struct statfs fs;

    if (statfs(folder, &fs) < 0)
        return error_sys(err, errno, "file system of %s", folder);
    if (fs.f_type == BTRFS_SUPER_MAGIC)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION, "btrfs: %s does not lie on a btrfs file system",
              folder);
    return error_hint(err, "mount one there, or use --snapshotter overlay or native");
}

/* ---- making ----------------------------------------------------------------------------- */

/* The folder that `path` lies in, and the name there. */
static int parent_open(const char *path, const char **name, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_SIZE];
    int fd;

    *name = slash + 1;
    if (path_format(parent, err, "%.*s", (int)(slash - path), path) < 0)
        return -1;
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_sys(err, errno, "open %s", parent) : fd;
}

static int make(const char *path, struct error *err)
{
    CLEANUP(file_close) int parent = -1;
    struct btrfs_ioctl_vol_args args = { 0 };
    const char *name;

    if (hook_platform_call("subvolume", err))
        return -1;
    parent = parent_open(path, &name, err);
    if (parent < 0)
        return -1;
    snprintf(args.name, sizeof(args.name), "%s", name);
    if (ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &args) < 0 || chmod(path, 0755) < 0)
        return error_sys(err, errno, "make subvolume %s", path);
    return 0;
}

static int clone_tree(const char *from, const char *to, struct error *err)
{
    CLEANUP(file_close) int parent = -1;
    CLEANUP(file_close) int source = -1;
    struct btrfs_ioctl_vol_args_v2 args = { 0 };
    const char *name;

    if (hook_platform_call("subvolume", err))
        return -1;
    parent = parent_open(to, &name, err);
    if (parent < 0)
        return -1;
    source = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    args.fd = source;
    snprintf(args.name, sizeof(args.name), "%s", name);
    if (source < 0 || ioctl(parent, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
        return error_sys(err, errno, "make a snapshot of subvolume %s", from);
    return 0;
}

/* ---- removing --------------------------------------------------------------------------- */

static void folder_close(DIR **folder)
{
    if (*folder != NULL)
        closedir(*folder);
}

static int destroy(int parent, const char *name)
{
    struct btrfs_ioctl_vol_args args = { 0 };

    snprintf(args.name, sizeof(args.name), "%s", name);
    return ioctl(parent, BTRFS_IOC_SNAP_DESTROY, &args);
}

static int destroy_inside(int fd);

static int destroy_entry(int folder, const char *name)
{
    struct stat st;
    int inner;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return 0;
    if (st.st_ino == ROOT_INODE && destroy(folder, name) == 0)
        return 0;
    inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0 || destroy_inside(inner) < 0)
        return -1;
    return st.st_ino == ROOT_INODE ? destroy(folder, name) : 0;
}

/* All subvolumes below a folder, which is closed. */
static int destroy_inside(int fd)
{
    CLEANUP(folder_close) DIR *folder = fdopendir(fd);
    struct dirent *entry;

    if (folder == NULL) {
        close(fd);
        return -1;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (destroy_entry(fd, entry->d_name) < 0)
            return -1;
    }
    return 0;
}

static bool is_subvolume(const char *path)
{
    struct statfs fs;
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino == ROOT_INODE &&
           statfs(path, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

static int drop(const char *path, struct error *err)
{
    CLEANUP(file_close) int parent = -1;
    const char *name;

    if (hook_platform_call("subvolume", err))
        return -1;
    if (!is_subvolume(path))
        return fs_remove_tree(path, err);
    parent = parent_open(path, &name, err);
    if (parent < 0)
        return -1;
    return destroy_entry(parent, name) < 0 ? error_sys(err, errno, "remove subvolume %s", path) : 0;
}

/* What others have too, as soon as a snapshot of it is made, is no longer its own alone: then it has at
   least what it has more than its parent. */
static bool count(const char *path, const char *parent, uint64_t *bytes)
{
    uint64_t all, own, below = 0, ignored;

    if (!quota_of_subvolume(path, &all, &own) ||
        (parent[0] != '\0' && !quota_of_subvolume(parent, &below, &ignored)))
        return false;
    *bytes = all > below && all - below > own ? all - below : own;
    return true;
}

static const struct whole_kind kind = {
    .check = check,
    .make = make,
    .clone = clone_tree,
    .drop = drop,
    .limit = quota_limit_subvolume,
    .count = count,
    .needs_drop = is_subvolume,
};

static int btrfs_open(const char *folder, void **state, struct error *err)
{
    return whole_open(&kind, folder, state, err);
}

const struct snapshotter btrfs_snapshotter = WHOLE_SNAPSHOTTER("btrfs", btrfs_open);
