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

/* Shared volumes are taken from the host's namespace.  setns() also changes the folder we are in. */
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

/* ---- options --------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *name;
    unsigned long set, clear;
} options[] = {
    { "rw", 0, MS_RDONLY },           { "ro", MS_RDONLY, 0 },
    { "suid", 0, MS_NOSUID },         { "nosuid", MS_NOSUID, 0 },
    { "dev", 0, MS_NODEV },           { "nodev", MS_NODEV, 0 },
    { "exec", 0, MS_NOEXEC },         { "noexec", MS_NOEXEC, 0 },
    { "async", 0, MS_SYNCHRONOUS },   { "sync", MS_SYNCHRONOUS, 0 },
    { "dirsync", MS_DIRSYNC, 0 },     { "lazytime", MS_LAZYTIME, 0 },
    { "atime", 0, MS_NOATIME },       { "noatime", MS_NOATIME, 0 },
    { "diratime", 0, MS_NODIRATIME }, { "nodiratime", MS_NODIRATIME, 0 },
    { "relatime", MS_RELATIME, 0 },   { "norelatime", 0, MS_RELATIME },
    { "strictatime", MS_STRICTATIME, 0 },
    { "bind", MS_BIND, 0 },           { "rbind", MS_BIND | MS_REC, 0 },
    { "defaults", 0, 0 },
};
/* clang-format on */

/* A flag, or not: then it is for the file system. */
static bool flag_apply(const char *name, unsigned long *flags)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        *flags = (*flags | options[i].set) & ~options[i].clear;
        return true;
    }
    return false;
}

/* Flags, and the rest joined by commas. */
static void options_split(const struct strs *given, unsigned long *flags, struct buffer *data)
{
    *flags = 0;
    for (size_t i = 0; i < given->count; i++) {
        if (flag_apply(given->items[i], flags))
            continue;
        if (data->size > 0)
            buffer_add(data, ",", 1);
        buffer_add(data, given->items[i], strlen(given->items[i]));
    }
    buffer_add(data, "", 1);
}

static const char *option_value(const struct strs *given, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < given->count; i++)
        if (strncmp(given->items[i], name, length) == 0 && given->items[i][length] == '=')
            return given->items[i] + length + 1;
    return NULL;
}

/* ---- overlays of many layers ------------------------------------------------- */

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

static void shorten(struct buffer *data, const char *prefix, size_t length)
{
    char *to = data->data;

    for (const char *from = data->data; *from != '\0';) {
        bool is_start = from > data->data && (from[-1] == '=' || from[-1] == ':');

        if (is_start && strncmp(from, prefix, length) == 0)
            from += length;
        else
            *to++ = *from++;
    }
    *to = '\0';
    data->size = (size_t)(to - data->data) + 1;
}

static int fsconfig_text(int context, const char *key, const char *value)
{
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0);
}

/* Linux 6.8 takes the lower layers one by one. */
static int layers_add(int context, char *lower)
{
    char *save = NULL;

    for (char *at = strtok_r(lower, ":", &save); at != NULL; at = strtok_r(NULL, ":", &save))
        if (fsconfig_text(context, "lowerdir+", at) < 0)
            return -1;
    return 0;
}

static int context_fill(int context, char *data)
{
    char *save = NULL;

    for (char *at = strtok_r(data, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save)) {
        char *value = strchr(at, '=');
        int status;

        if (value == NULL) {
            status = (int)syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, at, NULL, 0);
        } else {
            *value++ = '\0';
            status = strcmp(at, "lowerdir") == 0 ? layers_add(context, value)
                                                 : fsconfig_text(context, at, value);
        }
        if (status < 0)
            return -1;
    }
    return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static unsigned attributes_of(unsigned long flags)
{
    return (flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0u) |
           (flags & MS_NOSUID ? MOUNT_ATTR_NOSUID : 0u) |
           (flags & MS_NODEV ? MOUNT_ATTR_NODEV : 0u) |
           (flags & MS_NOEXEC ? MOUNT_ATTR_NOEXEC : 0u) |
           (flags & MS_NOATIME ? MOUNT_ATTR_NOATIME : 0u);
}

static int mount_by_parts(const char *type, const char *target, unsigned long flags, char *data)
{
    int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), tree = -1, status = -1;

    if (context >= 0 && context_fill(context, data) == 0)
        tree = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes_of(flags));
    if (tree >= 0)
        status =
            move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
    if (tree >= 0)
        close(tree);
    if (context >= 0)
        close(context);
    return status;
}

/* `target` is absolute: we are elsewhere. */
static int overlay_mount(const struct mount *mount_asked, const char *target, unsigned long flags,
                         struct buffer *data, struct error *err)
{
    const char *lower = option_value(&mount_asked->options, "lowerdir");
    size_t page = (size_t)sysconf(_SC_PAGESIZE), common = lower != NULL ? common_folder(lower) : 0;
    char folder[PATH_MAX];
    int status;

    if (data->size > page && common > 0 && common < sizeof(folder)) {
        memcpy(folder, lower, common);
        folder[common] = '\0';
        shorten(data, folder, common);
        if (chdir(folder) < 0)
            return error_sys(err, errno, "folder of layers %s", folder);
    }
    if (data->size <= page)
        status = mount("overlay", target, "overlay", flags, data->data);
    else
        status = mount_by_parts("overlay", target, flags, data->data);
    if (status < 0 && data->size > page)
        return error_sys(err, errno,
                         "overlay of more layers than fit into a page of options "
                         "(Linux 6.8 and later take them one by one)");
    return status < 0 ? error_sys(err, errno, "overlay") : 0;
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

static void target_path(int found, char path[TARGET_SIZE])
{
    snprintf(path, TARGET_SIZE, "/proc/self/fd/%d", found);
}

/* Its flags take a second call, on what is there now. */
static int bind_flags_set(const struct mount *asked, unsigned long flags, struct error *err)
{
    char target[TARGET_SIZE];
    int found = target_open(asked->target, err), status;

    if (found < 0)
        return -1;
    target_path(found, target);
    status = mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
    close(found);
    return status < 0 ? error_sys(err, errno, "set the flags of bind %s", asked->source) : 0;
}

static int bind_mount(const struct mount *asked, const char *target, unsigned long flags,
                      struct error *err)
{
    const unsigned long binding = MS_BIND | MS_REC;

    if (mount(asked->source, target, NULL, flags & binding, NULL) < 0)
        return error_sys(err, errno, "bind %s", asked->source);
    return (flags & ~binding) != 0 ? bind_flags_set(asked, flags & ~binding, err) : 0;
}

static int mount_at(const struct mount *asked, const char *target, struct error *err)
{
    CLEANUP(buffer_free) struct buffer data = { 0 };
    const char *source = asked->source != NULL ? asked->source : asked->type;
    unsigned long flags;

    options_split(&asked->options, &flags, &data);
    if ((flags & MS_BIND || strcmp(asked->type, "bind") == 0) && asked->source == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "bind without a source");
    if (flags & MS_BIND || strcmp(asked->type, "bind") == 0)
        return bind_mount(asked, target, flags | MS_BIND, err);
    if (strcmp(asked->type, "overlay") == 0)
        return overlay_mount(asked, target, flags, &data, err);
    if (mount(source, target, asked->type, flags, data.data) < 0)
        return error_sys(err, errno, "%s %s", asked->type, source);
    return 0;
}

static int mount_one(const struct mount *asked, struct error *err)
{
    char target[TARGET_SIZE];
    int found = target_open(asked->target, err), status;

    if (found < 0)
        return -1;
    target_path(found, target);
    status = mount_at(asked, target, err);
    close(found);
    return status < 0 ? error_wrap(err, "mount") : 0;
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
