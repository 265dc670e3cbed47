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
    bool is_ahead;        /* `tree` is what to take; else it is for the case of need */
    int tree;             /* opened ahead, detached, complete; -1: not */
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

/* ---- inside.c: paths below a root; -1 with errno ---------------------------------- */

/* Links are followed as if `root` was "/"; those of procfs that lead anywhere are not.  Paths are
   absolute.  AT_FDCWD: "/" itself, once that is the container's. */
int inside_open(int root, const char *path, int flags);
/* The same; what is missing is made: folders 0755, or an empty file in the end. */
int inside_make(int root, const char *path, bool folder, bool *made);

/* ---- mounts.c --------------------------------------------------------------------- */

int mounts_attach(struct rootfs *rootfs, struct error *err);
/* Puts a detached mount on what `target` is. */
int mount_attach(int tree, int target);

/* ---- mount_wants.c --------------------------------------------------------------- */

int mounts_read(struct rootfs *rootfs, struct error *err);
bool path_is_at(const char *path, const char *folder); /* or below it */

/* ---- mount_sources.c: detached mounts --------------------------------------------- */

/* A copy, detached; `all`: with what is mounted below it.  -1 with errno. */
int tree_copy(const char *source, bool all);
/* With all attributes; -1: see err. */
int source_bind(struct mount_want *want, struct error *err);
/* What has to be opened by the runtime itself. */
int sources_open(struct rootfs *rootfs, struct error *err);
int attributes_apply(int tree, const struct mount_options *options, struct error *err);
int propagation_apply(int tree, const struct mount_options *options, struct error *err);
/* What mounts of the host become in the container: MS_SLAVE or MS_PRIVATE. */
unsigned long root_kind(const struct rootfs *rootfs);

/* ---- idmap.c ---------------------------------------------------------------------- */

struct idmap {
    struct buffer uids, gids;
};

/* Of an element of "mounts", or of its options, or else the container's (`linux_`). */
int idmap_read(const struct place *mount, const struct place *linux_, const char *option,
               struct idmap *map, struct error *err);
/* As snapshots have it: "CONTAINER:HOST:SIZE[,...]", where the container's ids are those on the disk. */
int idmap_words(const char *uids, const char *gids, struct idmap *map, struct error *err);
void idmap_free(struct idmap *map);
int idmap_open(const struct idmap *map, struct error *err); /* a user namespace */
int idmap_apply(int tree, int namespace, bool all, struct error *err);

/* ---- file_system.c ---------------------------------------------------------------- */

/* `mode`: of the root of a tmpfs whose options do not say; 0: its own default. */
/* On `target` at once, leaving the current folder there; -1 with errno. */
int file_system_mount(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                      int target);
/* At a path, which is walked; -1 with errno: E2BIG is more than a page of options. */
int file_system_mount_at(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                         const char *target);
/* A detached mount; -1: err names the word that was refused. */
int file_system_make(const struct rootfs *rootfs, const struct mount_want *want, mode_t mode,
                     struct error *err);
/* Has a value that only mount(2) takes. */
bool file_system_is_long(const struct mount_want *want);
/* Changes the one that is mounted there. */
int file_system_change(const struct mount_want *want, int mounted, struct error *err);

/* ---- overlay_mount.c --------------------------------------------------------------- */

/* One whose options do not fit into a page; `path` leads to `target`.  The options and the current
   folder are changed. */
int overlay_mount(struct mount_want *want, int target, const char *path, struct arena *arena,
                  struct error *err);
/* One whose lower folders are id-mapped, by a user namespace.  They lie in one folder. */
int overlay_mount_mapped(struct mount_want *want, int target, const char *path, int namespace,
                         struct arena *arena, struct error *err);
/* The next of a list as lowerdir= has it, without its backslashes; NULL: that was the last. */
char *overlay_next_path(const char **list, struct arena *arena);

/* ---- root_loop.c, root_fuse.c ------------------------------------------------------- */

#define LOOP_PATH_SIZE 32
/* A device for a file: its path, and a descriptor that keeps it until it is mounted. */
int loop_device_open(const char *source, bool read_only, bool direct, char path[LOOP_PATH_SIZE],
              struct error *err);
bool fuse_is(const char *type);
int fuse_mount(const char *type, const char *source, const struct strs *options, int target,
               struct arena *arena, struct error *err);

/* ---- copy_up.c, cgroup_mounts.c --------------------------------------------------- */

int copy_up(int from, int to, struct error *err);
/* The mount that is on `target` then; -1: see err. */
int cgroup_attach(struct rootfs *rootfs, const struct mount_want *want, int target,
                  struct error *err);

/* ---- devices.c -------------------------------------------------------------------- */

int devices_read(struct rootfs *rootfs, struct error *err);
int devices_make(const struct rootfs *rootfs, struct error *err);

/* ---- masks.c ---------------------------------------------------------------------- */

int masks_open(struct rootfs *rootfs, struct error *err); /* before the host's /dev is gone */
int masks_apply(struct rootfs *rootfs, struct error *err);
int paths_seal(struct rootfs *rootfs, struct error *err);

#endif
