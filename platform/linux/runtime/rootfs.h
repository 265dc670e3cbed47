/*
 * rootfs — what a container sees as its file system, from config.json to "/".
 *
 * The happy path is rootfs_new (in the runtime: everything is read and checked, and what needs
 * the runtime's rights is opened), then in the container's first process rootfs_mount,
 * [createContainer hooks], rootfs_enter, [console, sysctls], rootfs_seal.
 *
 * The one idea: a target is a descriptor, found inside the root file system by the kernel
 * (openat2, RESOLVE_IN_ROOT), and a mount is put on it with all its flags.  No path is walked
 * twice, so there is nothing to exchange between a check and a use (CVE-2019-16884,
 * CVE-2021-30465), and no mount is ever there without its flags.
 *
 * Nothing is undone on failure: the mounts go with the mount namespace, that is with the
 * first process.
 */
#ifndef RUNTIME_ROOTFS_H
#define RUNTIME_ROOTFS_H

#include "platform/linux/runtime/cgroup.h"

struct rootfs;

struct rootfs_want {
    const struct place *document; /* config.json; it outlives the rootfs */
    const char *bundle;           /* absolute */
    const struct cgroup *cgroup;  /* for mounts of type cgroup; may be NULL; outlives the rootfs */
    bool new_user, new_cgroup, new_mount, new_net; /* not shared with the runtime */
    bool no_pivot;                                 /* --no-pivot: the root is a ramfs */
};

/* In the runtime.  NULL: see err. */
struct rootfs *rootfs_new(const struct rootfs_want *want, struct error *err);
/* Only what the document says: touches no file, for rootfs_externals(). */
struct rootfs *rootfs_read(const struct rootfs_want *want, struct error *err);
void rootfs_free(struct rootfs **rootfs); /* for CLEANUP() */

/*
 * What is mounted in it from outside, as criu has to be told: `inside` is where, `name` what it is
 * called in an image, `outside` what is mounted.  `root` is the container's root when it runs,
 * where links in a path are followed, or -1: then `inside` is as the document has it.
 */
typedef int external_take(void *ctx, const char *inside, const char *name, const char *outside,
                          struct error *err);
int rootfs_externals(const struct rootfs *rootfs, int root, external_take *take, void *ctx,
                     struct error *err);
/* For a container that is restored at `place`, in a mount namespace of the caller's own: the root is
   mounted there, and has the places that mounts need. */
int rootfs_prepare(struct rootfs *rootfs, const char *place, struct error *err);

/* In the first process, in this order. */
int rootfs_mount(struct rootfs *rootfs, struct error *err); /* root, mounts, devices, links */
int rootfs_enter(struct rootfs *rootfs, struct error *err); /* "/" and "." are the root */
int rootfs_seal(struct rootfs *rootfs, struct error *err);  /* read-only and masked paths */

/*
 * A terminal of the container's devpts (after rootfs_enter, or in an exec): the master, and
 * *slave.  rootfs_console() also puts the slave at /dev/console; it comes before rootfs_seal().
 */
int rootfs_console(int *slave, struct error *err);
int rootfs_terminal(int *slave, struct error *err);

#endif
