/*
 * cgroup_mounts — mounts of type "cgroup": the container's own groups, and nothing else.
 *
 * Version 2 is one file system.  Version 1 is a tmpfs with a folder for each hierarchy: with a
 * cgroup namespace the hierarchy itself, whose root is then the container's group; without
 * one that group is bound.  Hierarchies of several controllers get a link for each
 * (cpu -> cpu,cpuacct), as distributions have them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define HOST_GROUPS "/sys/fs/cgroup"
#define USUAL       (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* ---- parts ------------------------------------------------------------------------ */

/* A copy of the host's mount, with what was asked for; recursive: whole trees. */
static int host_bind(const struct mount_want *want, const char *source, bool all, struct error *err)
{
    struct mount_options options = want->options;
    int tree = tree_copy(source, all);

    if (tree < 0)
        return error_sys(err, errno, "source %s", source);
    options.own.set |= USUAL;
    if (all)
        options.all.set |= options.own.set & (USUAL | MOUNT_ATTR_RDONLY);
    if (attributes_apply(tree, &options, err) == 0)
        return tree;
    close(tree);
    return -1;
}

static int attach_or_close(int tree, int target, struct error *err)
{
    if (tree < 0)
        return -1;
    if (mount_attach(tree, target) == 0)
        return tree;
    error_sys(err, errno, "mount control groups");
    close(tree);
    return -1;
}

/* ---- version 2 -------------------------------------------------------------------- */

static int mounted_keep(void *ctx, const char *controllers UNUSED, const char *mounted,
                        const char *path UNUSED, struct error *err UNUSED)
{
    snprintf(ctx, PATH_MAX, "%s", mounted);
    return 0;
}

/* Without a namespace the host's mount is bound: a new one would set options (nsdelegate) of
   the one hierarchy there is, for the host as well. */
static int v2_make(const struct rootfs *rootfs, const struct mount_want *want, struct error *err)
{
    struct mount_want second = *want;
    char mounted[PATH_MAX] = HOST_GROUPS;
    int tree;

    second.type = "cgroup2";
    if (rootfs->want.new_cgroup) {
        tree = file_system_make(rootfs, &second, 0, err);
        if (tree >= 0 || (err->os != EPERM && err->os != EBUSY))
            return tree;
    }
    if (rootfs->want.cgroup != NULL &&
        cgroup_each(rootfs->want.cgroup, mounted_keep, mounted, err) < 0)
        return -1;
    return host_bind(want, mounted, false, err);
}

/* ---- version 1 -------------------------------------------------------------------- */

struct hierarchies {
    const struct rootfs *rootfs;
    const struct mount_want *want;
    int folder; /* the tmpfs */
};

static int links_make(const struct hierarchies *all, const char *name, struct error *err)
{
    char names[NAME_MAX + 1], *save = NULL;

    if (strchr(name, ',') == NULL)
        return 0;
    snprintf(names, sizeof(names), "%s", name);
    for (char *at = strtok_r(names, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save))
        if (symlinkat(name, all->folder, at) < 0 && errno != EEXIST)
            return error_sys(err, errno, "link to control group %s", name);
    return 0;
}

/* "cpu,cpuacct" or "name=systemd" are options of the file system as they are. */
static int hierarchy_make(const struct hierarchies *all, const char *controllers, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct mount_want one = { .type = "cgroup", .source = "cgroup" };
    const char *words[] = { controllers };
    struct strs list = { 1, words };

    if (mount_options_read(&list, &one.options, arena, err) < 0)
        return -1;
    one.options.own.set = USUAL | all->want->options.own.set;
    one.options.own.set &=
        ~(uint64_t)MOUNT_ATTR_RDONLY; /* of the mount, not of the host's groups */
    return file_system_make(all->rootfs, &one, 0, err);
}

static int group_make(const struct hierarchies *all, const char *controllers, const char *mounted,
                      const char *path, struct error *err)
{
    static const struct mount_change none;
    struct mount_options rest = all->want->options;
    char source[PATH_MAX];
    int tree;

    if (!all->rootfs->want.new_cgroup) {
        snprintf(source, sizeof(source), "%s%s%s", mounted, path[0] == '/' ? "" : "/", path);
        return host_bind(all->want, source, false, err);
    }
    tree = hierarchy_make(all, controllers, err);
    rest.own.set &= MOUNT_ATTR_RDONLY;
    rest.all = none;
    rest.own.clear = 0;
    if (tree < 0 || attributes_apply(tree, &rest, err) == 0)
        return tree;
    close(tree);
    return -1;
}

static int hierarchy_attach(void *ctx, const char *controllers, const char *mounted,
                            const char *path, struct error *err)
{
    const struct hierarchies *all = ctx;
    const char *slash = strrchr(mounted, '/'), *name = slash != NULL ? slash + 1 : mounted;
    CLEANUP(fd_drop) int target = -1;
    CLEANUP(fd_drop) int tree = -1;

    if (controllers[0] == '\0') /* version 2 beside version 1 has no place of its own */
        return 0;
    if (mkdirat(all->folder, name, 0755) < 0 && errno != EEXIST)
        return error_sys(err, errno, "control group %s", name);
    target = openat(all->folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0)
        return error_sys(err, errno, "control group %s", name);
    tree = attach_or_close(group_make(all, controllers, mounted, path, err), target, err);
    return tree < 0 ? error_wrap(err, "control group %s", name) : links_make(all, name, err);
}

static int v1_attach(struct rootfs *rootfs, const struct mount_want *want, int target,
                     struct error *err)
{
    struct mount_word mode[] = { { "mode", "755" } };
    struct mount_want tmpfs = { .type = "tmpfs",
                                .source = "tmpfs",
                                .options = { .own.set = USUAL, .data = mode, .data_count = 1 } };
    struct hierarchies all = { rootfs, want, -1 };
    struct mount_options late = { .own.set = want->options.own.set & MOUNT_ATTR_RDONLY };

    all.folder = attach_or_close(file_system_make(rootfs, &tmpfs, 0, err), target, err);
    if (all.folder < 0)
        return -1;
    if (cgroup_each(rootfs->want.cgroup, hierarchy_attach, &all, err) == 0 &&
        attributes_apply(all.folder, &late, err) == 0)
        return all.folder;
    close(all.folder);
    return -1;
}

/* ---- either ----------------------------------------------------------------------- */

int cgroup_attach(struct rootfs *rootfs, const struct mount_want *want, int target,
                  struct error *err)
{
    const struct cgroup *cgroup = rootfs->want.cgroup;
    struct statfs fs;
    bool second;

    if (cgroup == NULL && statfs(HOST_GROUPS, &fs) < 0)
        return error_sys(err, errno, HOST_GROUPS);
    second = cgroup != NULL ? cgroup_is_v2(cgroup) : fs.f_type == CGROUP2_SUPER_MAGIC;
    if (second)
        return attach_or_close(v2_make(rootfs, want, err), target, err);
    if (cgroup == NULL) /* none of its own: what the runtime sees */
        return attach_or_close(host_bind(want, HOST_GROUPS, true, err), target, err);
    return v1_attach(rootfs, want, target, err);
}
