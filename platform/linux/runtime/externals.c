/*
 * externals — what is mounted in a container from outside: binds, control groups of version 1,
 * devices and the covers of masked files.
 *
 * criu saves what belongs to a container.  For these mounts it saves a name only, and at
 * restore is told what to mount for a name.  The name is the destination in config.json, as
 * runc's images have it; all covers share one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define COVER "/dev/null"

struct taking {
    const struct rootfs *rootfs;
    int root;
    external_take *take;
    void *ctx;
    const char *folder; /* of control groups */
};

/* The kernel's path of what is found: a container's own root is the root of its namespace.
   1, or 0: it is not there. */
static int resolve(int root, const char *path, char out[PATH_MAX], struct stat *st,
                   struct error *err)
{
    CLEANUP(fd_drop) int found = inside_open(root, path, O_PATH);
    char link[32];
    ssize_t size;

    if (found < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
    size = found >= 0 && fstat(found, st) == 0 ? readlink(link, out, PATH_MAX - 1) : -1;
    if (size < 0)
        return error_sys(err, errno, "%s in the container", path);
    out[size] = '\0';
    return 1;
}

static int one_take(const struct taking *taking, const char *destination, const char *outside,
                    struct error *err)
{
    char inside[PATH_MAX];
    struct stat st;
    int found = 1;

    if (taking->root < 0)
        snprintf(inside, sizeof(inside), "%s", destination);
    else
        found = resolve(taking->root, destination, inside, &st, err);
    if (found <= 0)
        return found;
    return taking->take(taking->ctx, inside, destination, outside, err);
}

/* As hierarchy_attach() in cgroup_mounts.c has put them there. */
static int group_take(void *ctx, const char *controllers, const char *mounted, const char *path,
                      struct error *err)
{
    const struct taking *taking = ctx;
    const char *slash = strrchr(mounted, '/');
    char inside[PATH_MAX], outside[PATH_MAX];

    if (controllers[0] == '\0' && !cgroup_is_v2(taking->rootfs->want.cgroup))
        return 0;
    if (cgroup_is_v2(taking->rootfs->want.cgroup))
        return one_take(taking, taking->folder, mounted, err);
    if (snprintf(inside, sizeof(inside), "%s/%s", taking->folder,
                 slash != NULL ? slash + 1 : mounted) >= (int)sizeof(inside) ||
        snprintf(outside, sizeof(outside), "%s%s%s", mounted, path[0] == '/' ? "" : "/", path) >=
            (int)sizeof(outside))
        return error_sys(err, ENAMETOOLONG, "control group %s", path);
    return one_take(taking, inside, outside, err);
}

/* With a cgroup namespace they are file systems like others. */
static int groups_take(struct taking *taking, const char *destination, struct error *err)
{
    if (taking->rootfs->want.new_cgroup || taking->rootfs->want.cgroup == NULL)
        return 0;
    taking->folder = destination;
    return cgroup_each(taking->rootfs->want.cgroup, group_take, taking, err);
}

static int mount_take(struct taking *taking, const struct mount_want *want, struct error *err)
{
    if (want->options.remount)
        return 0;
    if (want->options.idmap) /* criu would bind it as it is, with other owners */
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "mount %s: an idmapped mount cannot be checkpointed or restored",
                         want->destination);
    if (want->is_bind)
        return one_take(taking, want->destination, want->source, err);
    if (strcmp(want->type, "cgroup") == 0 || strcmp(want->type, "cgroup2") == 0)
        return groups_take(taking, want->destination, err);
    return 0;
}

/* A folder's cover is a file system of the container's own.  For a restore one is said once. */
static int masks_take(const struct taking *taking, struct error *err)
{
    const struct strs *masked = &taking->rootfs->masked;
    char inside[PATH_MAX];
    struct stat st;

    if (taking->root < 0)
        return masked->count > 0 ? taking->take(taking->ctx, COVER, COVER, COVER, err) : 0;
    for (size_t i = 0; i < masked->count; i++) {
        int found = resolve(taking->root, masked->items[i], inside, &st, err);

        if (found < 0)
            return -1;
        if (found > 0 && S_ISCHR(st.st_mode) &&
            taking->take(taking->ctx, inside, COVER, COVER, err) < 0)
            return -1;
    }
    return 0;
}

int rootfs_externals(const struct rootfs *rootfs, int root, external_take *take, void *ctx,
                     struct error *err)
{
    struct taking taking = { rootfs, root, take, ctx, NULL };

    for (size_t i = 0; i < rootfs->mount_count; i++)
        if (mount_take(&taking, &rootfs->mounts[i], err) < 0)
            return -1;
    /* where they could not be made they were bound; what is no mount is not asked for */
    for (size_t i = 0; !rootfs->dev_is_bound && i < rootfs->device_count; i++)
        if (one_take(&taking, rootfs->devices[i].path, rootfs->devices[i].path, err) < 0)
            return -1;
    return masks_take(&taking, err);
}
