/*
 * rootfs — the shim's own mount namespace, and the root file system in it.
 *
 * Mounting here and not on the host means that nothing has to be unmounted: the mounts
 * go with the last process of the namespace, whoever dies how.  The namespace is a slave
 * of the host's: what the host mounts and unmounts arrives, so no disk is pinned and
 * `rslave` volumes work; what is mounted here stays here.  Only sources of `rshared`
 * volumes have to stay in the host's peer groups; they are cloned before we leave and put
 * over their own path.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/linux/runtime/root_mounts.h"

#define ROOTFS      "rootfs"
#define SHARED_MAX  128

/* ---- the namespace --------------------------------------------------------- */

static bool is_file_system(const char *path, long magic)
{
    struct statfs found;

    return statfs(path, &found) == 0 && (long)found.f_type == magic;
}

/* crun refuses a host whose version 1 hierarchies have a version 2 one mounted beside them
   as soon as that has controllers nobody mounted ("cgroups in hybrid mode not supported").
   In our namespace the second one can be taken away, and crun sees plain version 1. */
static void hybrid_hide(const char *runtime)
{
    if (runtime_is_crun(runtime) && is_file_system("/sys/fs/cgroup", TMPFS_MAGIC) &&
        is_file_system("/sys/fs/cgroup/unified", CGROUP2_SUPER_MAGIC))
        umount2("/sys/fs/cgroup/unified", MNT_DETACH);
}

static int trees_open(const struct strs *paths, int *trees, struct error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        trees[i] = open_tree(AT_FDCWD, paths->items[i],
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (trees[i] < 0)
            return error_sys(err, errno, "shared volume %s", paths->items[i]);
    }
    return 0;
}

static int trees_attach(const struct strs *paths, const int *trees, struct error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (move_mount(trees[i], "", AT_FDCWD, paths->items[i],
                       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
            return error_sys(err, errno, "shared volume %s", paths->items[i]);
        close(trees[i]);
    }
    return 0;
}

static int host = -1; /* the host's mount namespace, when we have left it ahead */

static int leave(struct error *err)
{
    if (unshare(CLONE_NEWNS) < 0)
        return error_sys(err, errno, "make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return error_sys(err, errno, "make the mount namespace a slave of the host's");
    return 0;
}

void namespace_leave_ahead(void)
{
    struct error ignored;

    host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (host >= 0 && leave(&ignored) < 0)
        host = -1; /* then it is tried once more when there is somebody to tell */
}

/* Shared volumes are taken from the host's namespace.  setns() also changes the folder we are in.
 */
static int namespace_return(struct error *err)
{
    char folder[PATH_MAX];

    if (getcwd(folder, sizeof(folder)) == NULL || setns(host, CLONE_NEWNS) < 0 || chdir(folder) < 0)
        return error_sys(err, errno, "go back to the host's mount namespace");
    return 0;
}

static int namespace_make(const struct shim_task *task, struct error *err)
{
    int trees[SHARED_MAX];

    if (task->shared.count > SHARED_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "more than %d shared volumes", SHARED_MAX);
    if (host >= 0 && namespace_return(err) < 0)
        return -1;
    if (trees_open(&task->shared, trees, err) < 0 || leave(err) < 0)
        return -1;
    return trees_attach(&task->shared, trees, err);
}

int namespace_leave(const struct shim_task *task, struct error *err)
{
    if ((host < 0 || task->shared.count > 0) && namespace_make(task, err) < 0)
        return -1;
    if (host >= 0)
        close(host);
    host = -1;
    hybrid_hide(task->runtime);
    return 0;
}

int rootfs_make(const struct shim_task *task, struct error *err)
{
    return root_mounts_make(ROOTFS, &task->rootfs, err);
}

/* Before the answer to delete: who removes the snapshot next finds it unused. */
void rootfs_unmount(void)
{
    while (umount2(ROOTFS, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
}
