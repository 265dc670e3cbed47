/* rootfs_parts — what the files behind rootfs.h share. */
#ifndef RUNTIME_ROOTFS_PARTS_H
#define RUNTIME_ROOTFS_PARTS_H

#include <sys/types.h>
#include <unistd.h>

#include "platform/linux/runtime/mount_options.h"
#include "platform/linux/runtime/rootfs.h"
#include "platform/scope.h"

/* One element of "mounts". */
struct mount_want {
    const char *destination; /* absolute */
    const char *type;        /* "bind", whichever way that was said */
    const char *source;      /* of a bind: absolute.  Else a word, or NULL */
    struct mount_options options;
    bool is_bind;
    bool read_only_later; /* has to be filled first */
    int tree;             /* opened ahead, detached; -1: not yet */
    int read_only;        /* what is to become read-only; -1: nothing */
};

struct device {
    const char *path;
    mode_t mode; /* with the type */
    dev_t number;
    uid_t uid;
    gid_t gid;
};

struct rootfs {
    struct rootfs_want want;
    struct arena *arena;
    const char *path; /* of the root, absolute */
    bool read_only;
    struct mount_propagation propagation; /* of "/", in the end; kind 0: not said */
    const char *label;                    /* SELinux context of mounts, or NULL */

    struct mount_want *mounts;
    size_t mount_count;
    bool dev_is_bound; /* /dev is somebody else's: no nodes, no links */
    struct device *devices;
    size_t device_count;
    struct strs masked, sealed;

    int root; /* the root file system's mount; -1: not yet */
    int null; /* a detached mount of /dev/null, for masks */
};

static inline void fd_drop(const int *fd) /* for CLEANUP() */
{
    if (*fd >= 0)
        close(*fd);
}

/* ---- inside.c: paths below a root; -1 with errno ------------------------------------ */

/* Links are followed as if `root` was "/"; those of procfs that lead anywhere are not. */
int inside_open(int root, const char *path, int flags);
/* The same, O_PATH; what is missing is made: folders 0755, or an empty file in the end. */
int inside_make(int root, const char *path, bool folder, bool *made);

/* ---- mounts.c ------------------------------------------------------------------------ */

int mounts_read(struct rootfs *rootfs, struct error *err);
int mounts_attach(struct rootfs *rootfs, struct error *err);
/* Puts a detached mount on what `target` is. */
int mount_attach(int tree, int target);

/* ---- mount_sources.c: detached mounts ------------------------------------------------ */

/* With all attributes; -1: see err. */
int source_bind(const struct rootfs *rootfs, const struct mount_want *want, struct error *err);
int attributes_apply(int tree, const struct mount_options *options, struct error *err);
int propagation_apply(int tree, const struct mount_options *options, struct error *err);
/* What has to be opened by the runtime itself. */
int sources_open(struct rootfs *rootfs, struct error *err);

/* ---- file_system.c ------------------------------------------------------------------- */

/* `mode`: of the root of a tmpfs whose options do not say; 0: its own default. */
int file_system_make(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                     struct error *err);

/* ---- devices.c ----------------------------------------------------------------------- */

int devices_read(struct rootfs *rootfs, struct error *err);
int devices_make(const struct rootfs *rootfs, struct error *err);

/* ---- masks.c -------------------------------------------------------------------------- */

int masks_open(struct rootfs *rootfs, struct error *err); /* before the host's /dev is gone */
int masks_apply(struct rootfs *rootfs, struct error *err);
int paths_seal(struct rootfs *rootfs, struct error *err);

#endif
