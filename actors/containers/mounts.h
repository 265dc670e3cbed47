/*
 * mounts — what a container is given besides its root file system: the user's mounts, and
 * volumes, those that its image asks for too.
 *
 * Volumes belong to another actor; here they are asked for, turned into binds for the OCI
 * spec, filled from the image, and given back when the container comes to nothing.
 */
#ifndef ACTORS_CONTAINERS_MOUNTS_H
#define ACTORS_CONTAINERS_MOUNTS_H

#include "actors/base/job.h"
#include "actors/base/writer.h"
#include "protocol/oci/image_config.h"

struct mount_plan; /* a volume that is to be mounted */

struct container_mounts {
    struct list spec;    /* records mount, binds and tmpfs alone: for the OCI spec */
    struct list records; /* records container_mount */
    struct mount_plan *volumes;
    size_t volume_count;
    bool passing;      /* the container goes when its task ends */
    uint32_t uid, gid; /* its root, by the host's numbers */
};

/* In a job that holds a lease: the volumes are there afterwards.  What `mounts` points to is in
   the job's arena; after a failure it wants a mounts_drop() too. */
int mounts_take(struct job *job, const struct container_options *options,
                const struct image_config *image, bool passing, struct container_mounts *mounts,
                struct error *err);
/* Those that are empty get what the image has at their place; `root` (records mount) is how its
   root file system is mounted. */
int mounts_seed(struct job *job, const struct container_mounts *mounts, const struct list *root,
                struct error *err);
/* Removes the volumes that were made for it. */
void mounts_drop(struct job *job, const struct container_mounts *mounts);

/* In the write that makes the record: the container holds its volumes.  ABORTED: one is gone. */
int mounts_hold(struct write *write, const struct container_info *info, struct error *err);

/* The removal of a container takes its anonymous volumes along, those that no other one holds:
   called before its record goes, and after. */
int mounts_pass(struct job *job, const struct container_info *info, struct error *err);
void mounts_remove(struct job *job, const struct container_info *info);

#endif
