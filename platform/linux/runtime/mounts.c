/*
 * mounts — "mounts" of config.json, in their order.
 *
 * Each is put on a descriptor of its target, complete with its attributes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define NO_TREE -2 /* mounted, and nobody asks for a descriptor of it */

/* ---- targets ---------------------------------------------------------------------- */

static bool is_procfs(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static bool must_be_plain(const struct mount_want *want)
{
    if (want->is_bind)
        return strcmp(want->destination, "/proc") == 0 || strcmp(want->destination, "/sys") == 0;
    return strcmp(want->type, "proc") == 0 || strcmp(want->type, "sysfs") == 0;
}

/* A /proc or /sys that an image made a link would send what is written below it elsewhere
   (CVE-2019-19921, CVE-2023-27561). */
static int plain_folder_open(const struct rootfs *rootfs, const struct mount_want *want, bool *made,
                             struct error *err)
{
    int found = inside_open(rootfs->root, want->destination, O_PATH | O_NOFOLLOW);
    struct stat st;

    *made = false;
    if (found < 0 && errno == ENOENT)
        found = inside_make(rootfs->root, want->destination, true, made);
    if (found >= 0 && fstat(found, &st) == 0 && S_ISDIR(st.st_mode))
        return found;
    if (found < 0)
        return error_sys(err, errno, "target");
    close(found);
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "filesystem \"%s\" must be mounted on ordinary directory",
                     want->is_bind ? "bind" : want->type);
}

/* Where the words of config.json end up in fact: links of the image lead into procfs, too.  What
   cannot be told is refused. */
static int proc_check(const struct mount_want *want, int target, struct error *err)
{
    struct statfs fs;

    if (path_is_at(want->destination, "/proc"))
        return 0;
    if (fstatfs(target, &fs) < 0)
        return error_sys(err, errno, "target");
    if (fs.f_type != PROC_SUPER_MAGIC)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "\"%s\" cannot be mounted because it is inside /proc", want->destination);
}

static int target_make(const struct rootfs *rootfs, const struct mount_want *want, bool folder,
                       bool *made, struct error *err)
{
    int target;

    if (must_be_plain(want))
        return plain_folder_open(rootfs, want, made, err);
    target = inside_make(rootfs->root, want->destination, folder, made);
    if (target < 0)
        return error_sys(err, errno, "target");
    if (proc_check(want, target, err) < 0) {
        close(target);
        return -1;
    }
    return target;
}

/* ---- one mount -------------------------------------------------------------------- */

int mount_attach(int tree, int target)
{
    return move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* The kernel says "invalid" when a folder is to lie on a file. */
static int attach_error(const char *what, bool folder, int target, struct error *err)
{
    int os = errno;
    struct stat st;

    if (os == EINVAL && fstat(target, &st) == 0 && S_ISDIR(st.st_mode) != folder)
        return error_sys(err, folder ? ENOTDIR : EISDIR, "target");
    return error_sys(err, os, "%s", what);
}

static int tree_of_bind(struct mount_want *want, bool *folder, struct error *err)
{
    int tree = source_bind(want, err);
    struct stat st;

    if (tree < 0)
        return -1;
    if (fstat(tree, &st) < 0) {
        close(tree);
        return error_sys(err, errno, "source %s", want->source);
    }
    *folder = S_ISDIR(st.st_mode);
    if (strcmp(want->destination, "/proc") != 0 || is_procfs(tree))
        return tree;
    close(tree);
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "\"/proc\" cannot be mounted because it is not of type proc");
}

static int bind_attach(struct rootfs *rootfs, struct mount_want *want, struct error *err)
{
    bool folder, made;
    CLEANUP(fd_drop) int target = -1;
    int tree = tree_of_bind(want, &folder, err);

    if (tree < 0)
        return -1;
    target = target_make(rootfs, want, folder, &made, err);
    if (target >= 0 && mount_attach(tree, target) == 0)
        return tree;
    if (target >= 0)
        attach_error(want->source, folder, target, err);
    close(tree);
    return -1;
}

/* In a user namespace that shares the network, sysfs may not be mounted: the host's, with
   everything below it, is what runc gives then. */
static int sysfs_bind(const struct mount_want *want, struct error *err)
{
    struct mount_options options = want->options;
    int tree = tree_copy("/sys", true);

    if (tree < 0)
        return error_sys(err, errno, "sysfs, and the host's /sys");
    options.all.set |= options.own.set;
    if (attributes_apply(tree, &options, err) == 0)
        return tree;
    close(tree);
    return -1;
}

static int tree_of_new(const struct rootfs *rootfs, const struct mount_want *want, int target,
                       mode_t mode, struct error *err)
{
    int tree = file_system_make(rootfs, want, mode, err);

    if (tree < 0 && err->os == EPERM && strcmp(want->type, "sysfs") == 0)
        return sysfs_bind(want, err);
    if (tree < 0)
        return -1;
    if ((want->options.copy_up && copy_up(target, tree, err) < 0) ||
        propagation_apply(tree, &want->options, err) < 0) {
        close(tree);
        return -1;
    }
    return tree;
}

static int tree_attach(const struct rootfs *rootfs, const struct mount_want *want, int target,
                       mode_t mode, struct error *err)
{
    int tree = tree_of_new(rootfs, want, target, mode, err);

    if (tree < 0 || mount_attach(tree, target) == 0)
        return tree;
    attach_error(want->type, true, target, err);
    close(tree);
    return -1;
}

/* As runc has it, a tmpfs looks like the folder it covers, unless that is new. */
static int mode_of(const struct mount_want *want, int target, bool made, mode_t *mode,
                   struct error *err)
{
    struct stat st;

    *mode = 0;
    if (made || strcmp(want->type, "tmpfs") != 0)
        return 0;
    if (fstat(target, &st) < 0)
        return error_sys(err, errno, "target");
    *mode = st.st_mode;
    return 0;
}

/* What lies on a target now, found once more by its path: the kernel tells it no other way. */
static int mounted_open(const struct rootfs *rootfs, const struct mount_want *want,
                        struct error *err)
{
    int tree = inside_open(rootfs->root, want->destination, O_PATH);

    if (tree < 0)
        return error_sys(err, errno, "target");
    if (propagation_apply(tree, &want->options, err) == 0)
        return tree;
    close(tree);
    return -1;
}

static bool is_root(const struct mount_want *want)
{
    return strcmp(want->destination, "/") == 0 && !want->options.remount;
}

static int new_attach(struct rootfs *rootfs, struct mount_want *want, struct error *err)
{
    bool by_parts = want->options.propagation_count > 0 || want->read_only_later || is_root(want);
    CLEANUP(fd_drop) int target = -1;
    mode_t mode;
    bool made;

    target = target_make(rootfs, want, true, &made, err);
    if (target < 0 || mode_of(want, target, made, &mode, err) < 0)
        return -1;
    if (made) /* there is nothing to copy, and its mode is ours */
        want->options.copy_up = false;
    if (strcmp(want->type, "cgroup") == 0)
        return cgroup_attach(rootfs, want, target, err);
    if (want->options.copy_up || (by_parts && !file_system_is_long(want)))
        return tree_attach(rootfs, want, target, mode, err);
    if (file_system_mount(rootfs, want, mode, target) == 0)
        return by_parts ? mounted_open(rootfs, want, err) : NO_TREE;
    if (file_system_is_long(want))
        return error_sys(err, errno, "%s", want->type);
    return tree_attach(rootfs, want, target, mode, err);
}

/* What is mounted there gets other attributes, or other options. */
static int again_attach(struct rootfs *rootfs, struct mount_want *want, struct error *err)
{
    int mounted = inside_open(rootfs->root, want->destination, O_PATH);

    if (mounted < 0)
        return error_sys(err, errno, "target");
    if ((want->options.data_count == 0 || want->is_bind ||
         file_system_change(want, mounted, err) == 0) &&
        attributes_apply(mounted, &want->options, err) == 0)
        return mounted;
    close(mounted);
    return -1;
}

static int one_attach(struct rootfs *rootfs, struct mount_want *want, struct error *err)
{
    int tree;

    if (want->options.remount)
        tree = again_attach(rootfs, want, err);
    else
        tree = want->is_bind ? bind_attach(rootfs, want, err) : new_attach(rootfs, want, err);
    if (tree < 0)
        return tree == NO_TREE ? 0 : -1;
    if (want->read_only_later)
        want->read_only = fcntl(tree, F_DUPFD_CLOEXEC, 0);
    if (is_root(want)) { /* the rest goes into this one */
        close(rootfs->root);
        rootfs->root = tree;
        return 0;
    }
    close(tree);
    return 0;
}

static int all_attach(struct rootfs *rootfs, struct error *err)
{
    for (size_t i = 0; i < rootfs->mount_count; i++)
        if (one_attach(rootfs, &rootfs->mounts[i], err) < 0)
            return error_wrap(err, "mounts[%zu] (%s)", i, rootfs->mounts[i].destination);
    return 0;
}

/* Root of a user namespace may not be let back into a bundle of the host's; nobody there needs to be. */
int mounts_attach(struct rootfs *rootfs, struct error *err)
{
    CLEANUP(fd_drop) int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool is_shut = home < 0 && errno == EACCES && rootfs->want.new_user;

    if (home < 0 && !is_shut)
        return error_sys(err, errno, "current folder");
    if (all_attach(rootfs, err) < 0)
        return -1;
    if (is_shut)
        return 0;
    return fchdir(home) < 0 ? error_sys(err, errno, "current folder") : 0;
}
