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
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define ROOTFS      "rootfs"
#define SHARED_MAX  128
#define TARGET_SIZE 40

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

/* ---- overlays of many layers ------------------------------------------------- */

/* What is mounted here is a file system as any other: no label, no mode of its own. */
static const struct rootfs plain;

/* mount(2) takes one page of options.  Layers lie side by side in the snapshots folder, so
   from inside that folder their names are a few bytes each: a page holds hundreds. */
static size_t common_folder(const char *lower)
{
    size_t common = 0;

    for (const char *at = lower; lower[0] == '/' && at != NULL; at = strchr(at, ':')) {
        size_t same = 0;

        at += *at == ':';
        if (at == lower) {
            common = strcspn(lower, ":");
            continue;
        }
        while (same < common && at[same] == lower[same])
            same++;
        common = same;
    }
    while (common > 0 && lower[common - 1] != '/')
        common--;
    return memchr(lower, '\\', common) != NULL ? 0 : common;
}

/* The value without the folder wherever a path begins with it. */
static const char *shortened(const char *value, const char *folder, size_t length,
                             struct arena *arena)
{
    char *copy = arena_str(arena, value), *to = copy;

    for (const char *from = value; *from != '\0';) {
        bool is_start = from == value || from[-1] == ':';

        if (is_start && strncmp(from, folder, length) == 0)
            from += length;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return copy;
}

static int layers_shorten(struct mount_options *options, struct arena *arena, struct error *err)
{
    const char *lower = mount_data(options, "lowerdir"), *folder;
    size_t common = lower != NULL ? common_folder(lower) : 0;

    if (common == 0)
        return 0;
    folder = arena_printf(arena, "%.*s", (int)common, lower);
    for (size_t i = 0; i < options->data_count; i++)
        if (options->data[i].value != NULL)
            options->data[i].value = shortened(options->data[i].value, folder, common, arena);
    return chdir(folder) < 0 ? error_sys(err, errno, "folder of layers %s", folder) : 0;
}

static int tree_attach(int tree, int target, const char *what, struct error *err)
{
    int status = tree < 0 ? -1 : mount_attach(tree, target);

    if (tree >= 0 && status < 0)
        error_sys(err, errno, "%s", what);
    if (tree >= 0)
        close(tree);
    return status;
}

static int many_mount(struct mount_want *want, int target, const char *path, struct arena *arena,
                      struct error *err)
{
    if (layers_shorten(&want->options, arena, err) < 0)
        return -1;
    if (file_system_mount_at(&plain, want, 0, path) == 0)
        return 0;
    if (errno != E2BIG)
        return error_sys(err, errno, "overlay");
    if (tree_attach(file_system_make(&plain, want, 0, err), target, "overlay", err) == 0)
        return 0;
    return error_wrap(err, "overlay of more layers than fit into a page of options "
                           "(Linux 6.8 and later take them one by one)");
}

/* ---- one mount after the other ------------------------------------------------ */

/* Where in the root file system: found inside it, whatever links an image has put there. */
static int target_open(const char *target, struct error *err)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    int root = open(ROOTFS, O_PATH | O_DIRECTORY | O_CLOEXEC), found;

    if (root < 0)
        return error_sys(err, errno, "root file system's folder");
    if (target == NULL || target[0] == '\0')
        return root;
    found = (int)syscall(SYS_openat2, root, target, &how, sizeof(how));
    close(root);
    return found < 0 ? error_sys(err, errno, "%s in the root file system", target) : found;
}

/* For mount(2). */
static void target_path(int found, char path[TARGET_SIZE])
{
    snprintf(path, TARGET_SIZE, "/proc/self/fd/%d", found);
}

/* Words that ask a runtime for something of a container's mounts. */
static int options_read(const struct mount *asked, struct mount_options *options,
                        struct arena *arena, struct error *err)
{
    if (mount_options_read(&asked->options, options, arena, err) < 0)
        return -1;
    if (options->remount || options->copy_up || options->idmap)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "option %s is not for the mounts of a root file system",
                         options->remount   ? "remount"
                         : options->copy_up ? "tmpcopyup"
                                            : "idmap");
    return 0;
}

static int bind_mount(struct mount_want *want, int target, struct error *err)
{
    if (want->source == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "bind without a source");
    return tree_attach(source_bind(want, err), target, want->source, err);
}

/* mount(2), and for who dislikes something fsopen(2), which says what. */
static int new_mount(struct mount_want *want, int target, struct arena *arena, struct error *err)
{
    char path[TARGET_SIZE];

    target_path(target, path);
    if (file_system_mount_at(&plain, want, 0, path) == 0)
        return 0;
    if (errno == E2BIG && strcmp(want->type, "overlay") == 0)
        return many_mount(want, target, path, arena, err);
    return tree_attach(file_system_make(&plain, want, 0, err), target, want->type, err);
}

static int spread(const struct mount *asked, const struct mount_options *options, struct error *err)
{
    CLEANUP(fd_drop) int mounted = -1;

    if (options->propagation_count == 0)
        return 0;
    mounted = target_open(asked->target, err);
    return mounted < 0 ? -1 : propagation_apply(mounted, options, err);
}

static int mount_at(const struct mount *asked, int target, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct mount_want want = { .type = asked->type, .source = asked->source, .tree = -1 };

    if (options_read(asked, &want.options, arena, err) < 0)
        return -1;
    if (want.options.bind || strcmp(asked->type, "bind") == 0)
        return bind_mount(&want, target, err);
    return new_mount(&want, target, arena, err) < 0 ? -1 : spread(asked, &want.options, err);
}

static int mount_one(const struct mount *asked, struct error *err)
{
    CLEANUP(fd_drop) int target = target_open(asked->target, err);

    if (target < 0 || mount_at(asked, target, err) == 0)
        return target < 0 ? -1 : 0;
    return error_wrap(err, "mount %.60s", asked->source != NULL ? asked->source : asked->type);
}

int rootfs_make(const struct shim_task *task, struct error *err)
{
    const struct mount *mounts = task->rootfs.items;
    int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), status = 0;

    if (home < 0)
        return error_sys(err, errno, "task folder");
    for (size_t i = 0; status == 0 && i < task->rootfs.count; i++) {
        status = mount_one(&mounts[i], err);
        if (fchdir(home) < 0 && status == 0)
            status = error_sys(err, errno, "task folder");
    }
    close(home);
    return status;
}

/* Before the answer to delete: who removes the snapshot next finds it unused. */
void rootfs_unmount(void)
{
    while (umount2(ROOTFS, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ;
}
