/*
 * mountpoints — a root for criu to mount a container's mounts in.
 *
 * criu mounts, and makes no files or folders for it; an image's root file system may lack
 * those that the runtime made when the container was created.  They are made as they were
 * then, with the binds in place that they may lie in.  All of it happens in a mount namespace
 * of criu's own, so nothing of it is ever seen on the host, and nothing is left to undo.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "platform/linux/runtime/rootfs_parts.h"

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    if (strcmp(folder, "/") == 0)
        return path[1] != '\0';
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* What lies in a file system of the container's comes with that. */
static bool comes_with_another(const struct rootfs *rootfs, const bool *skipped, size_t i)
{
    for (size_t k = i; k-- > 0;) {
        const struct mount_want *want = &rootfs->mounts[k];

        if (!want->options.remount && is_below(rootfs->mounts[i].destination, want->destination))
            return !want->is_bind || skipped[k];
    }
    return false;
}

static int point_make(const struct mount_want *want, int root, struct error *err)
{
    CLEANUP(fd_drop) int target = -1;
    CLEANUP(fd_drop) int tree = -1;
    struct stat st = { .st_mode = S_IFDIR };
    bool made;

    if (want->is_bind && stat(want->source, &st) < 0)
        return error_sys(err, errno, "source %s", want->source);
    target = inside_make(root, want->destination, S_ISDIR(st.st_mode), &made);
    if (target < 0)
        return error_sys(err, errno, "make a place for mount %s", want->destination);
    if (!want->is_bind)
        return 0;
    tree = tree_copy(want->source, true);
    if (tree < 0 || mount_attach(tree, target) < 0)
        return error_sys(err, errno, "source %s", want->source);
    return 0;
}

static int points_make(const struct rootfs *rootfs, int root, struct error *err)
{
    bool *skipped = arena_alloc(rootfs->arena, rootfs->mount_count + 1);

    for (size_t i = 0; i < rootfs->mount_count; i++) {
        const struct mount_want *want = &rootfs->mounts[i];

        skipped[i] = want->options.remount || strcmp(want->destination, "/") == 0 ||
                     comes_with_another(rootfs, skipped, i);
        if (!skipped[i] && point_make(want, root, err) < 0)
            return error_wrap(err, "mounts[%zu] (%s)", i, want->destination);
    }
    return 0;
}

/* Mounts of the host may arrive, ours do not leave. */
static int namespace_make(struct error *err)
{
    struct mount_attr attr = { .propagation = MS_SLAVE };

    if (unshare(CLONE_NEWNS) < 0 || mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)))
        return error_sys(err, errno, "make a mount namespace for criu");
    return 0;
}

/* The root that criu sees is taken first: the binds are not in it. */
int rootfs_prepare(struct rootfs *rootfs, const char *place, struct error *err)
{
    CLEANUP(fd_drop) int tree = -1;
    CLEANUP(fd_drop) int root = -1;

    if (namespace_make(err) < 0)
        return -1;
    tree = tree_copy(rootfs->path, true);
    root = open(rootfs->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0 || root < 0)
        return error_sys(err, errno, "rootfs (%s)", rootfs->path);
    if (move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
        return error_sys(err, errno, "mount rootfs (%s)", rootfs->path);
    return points_make(rootfs, root, err);
}
