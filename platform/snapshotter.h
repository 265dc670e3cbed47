/*
 * snapshotter — how layers of files lie on the disk and are mounted.
 *
 * A layer is a number, unique among all drivers, and has a folder of that name.  Which name it has
 * for whom, what stands on what and what may go is known by the snapshots actor; a driver only makes
 * a place for a number, describes how it is mounted on top of its parents, and takes it away
 * again.  Nothing is mounted here: a mount is described, and who needs it carries it out.
 *
 * There are two kinds.  Overlay keeps what a layer changes, and the kernel puts layers on top of each
 * other.  In the other kind a layer is `whole`: it holds its parents' files, too.  Both are
 * unpacked apart, side by side, into a folder that looks like overlay's (platform/unpack.h); a whole one
 * is then put on top of its parent, in chain order, by rebase().
 *
 * The happy path of a layer is prepare, (rebase,) sync, commit, the actor's row, tidy.
 *
 * A driver keeps no memory of layers: after a restart each_layer() tells what there is,
 * and the actor compares it with its rows.  Unless it says otherwise a call is short (a
 * few system calls, no data).
 */
#ifndef PLATFORM_SNAPSHOTTER_H
#define PLATFORM_SNAPSHOTTER_H

#include "platform/platform.h"
#include "protocol/schema.h"

/* Labels that say whose a snapshot's files are, as containerd has them: "CONTAINER:HOST:SIZE[,...]". */
#define SNAPSHOT_UIDS "containerd.io/snapshot/uidmapping"
#define SNAPSHOT_GIDS "containerd.io/snapshot/gidmapping"

/* Bytes that may be written there; where the file system keeps no such limit it is an error. */
#define SNAPSHOT_MAX_SIZE "containerd.io/snapshot/max-size"

/* "yes": what is written there need not outlive a crash of the machine. */
#define SNAPSHOT_VOLATILE "gantry/volatile"

/* A layer and what it stands on. */
struct layer_stack {
    uint64_t number;         /* of the layer itself */
    bool read_only;          /* a view: nothing of its own, only the parents are seen */
    bool is_volatile;        /* need not outlive a crash: nothing has to wait for the disk */
    const uint64_t *parents; /* nearest first */
    size_t parent_count;
};

/* A layer that is made.  What it is called is for drivers that ask another program. */
struct layer_new {
    uint64_t number;
    uint64_t parent; /* 0: of nothing, or not known yet */
    bool read_only;  /* a view */
    bool apart;      /* to be unpacked, on a parent that is told with rebase() or never */
    bool settled;    /* apart, for drivers that wait: `parent` (0: nothing) is what it will stand on */
    const char *namespace, *key;
    const char *target; /* what it will be committed as; NULL: not known */
    const struct map *labels;
};

struct snapshotter {
    const char *name; /* as in snapshot_info.driver */
    size_t parents_max;
    bool whole;   /* a layer holds its parents' files: prepare() may wait, too */
    bool waits;   /* every call but open() and close() may wait */

    /* `folder` is <root>/snapshots.  A system that cannot do it is no error yet: prepare
       will say so.  The state is given to every other call, from one thread at a time
       unless the call says "may wait". */
    int (*open)(const char *folder, void **state, struct error *err);
    void (*close)(void **state);

    /* Makes the place of a layer.  One that is there already (a crash) is emptied.
       ALREADY_EXISTS: the driver has the target, and `number` stands for it now. */
    int (*prepare)(void *state, const struct layer_new *layer, struct error *err);
    /* Appends to `mounts` (records mount, in the arena) what has to be mounted, in order. */
    int (*mounts)(void *state, const struct layer_stack *stack, struct list *mounts,
                  struct arena *arena, struct error *err);
    /* The folder that changes go to; NOT_FOUND where there is no such folder: they go to the mounts. */
    int (*folder)(void *state, uint64_t number, char path[PATH_SIZE], struct error *err);
    /* Nothing will be changed any more, and the layer is called `name` from now on; before the row
       says so, so it may come twice.  `parent` (0: none) is what it stands on.  May wait.  NULL: nothing
       is to be done. */
    int (*commit)(void *state, uint64_t number, const char *name, uint64_t parent,
                  struct error *err);
    /* Labels of the layer change: an empty value removes one.  For drivers that tell somebody else of them; before
       the rows say so.  NULL: nothing is to be done. */
    int (*label)(void *state, uint64_t number, const struct map *labels, struct error *err);
    /* It is committed: what was only needed for changing it goes. */
    int (*tidy)(void *state, uint64_t number, struct error *err);
    /* Moves the layer to `away`, a path on the same file system that does not exist yet and
       whose tree the caller removes.  A layer that is not there is no error. */
    int (*remove)(void *state, uint64_t number, const char *away, struct error *err);
    /* Every layer that lies there, of whichever driver. */
    int (*each_layer)(void *state, int (*each)(void *ctx, uint64_t number, struct error *err),
                      void *ctx, struct error *err);

    /* These may wait, and run on threads of jobs. */

    /* Whole ones only: what was prepared apart and unpacked is put on top of the parent (0: there is
       none), which is committed; a second time nothing happens.  ABORTED: the layer has to be unpacked once more with the
       parent's folder in sight (unpack_options.lowers), and rebased then. */
    int (*rebase)(void *state, const struct layer_new *layer, struct error *err);
    int (*sync)(void *state, uint64_t number, struct error *err); /* its data is on the disk */
    /* Of the layer alone; the parent (0: none) is what a whole one is compared with. */
    int (*usage)(void *state, uint64_t number, uint64_t parent, uint64_t *size, uint64_t *inodes,
                 struct error *err);
};

/* The drivers of this system, the preferred one first; ends with NULL. */
extern const struct snapshotter *const snapshotters[];

#endif
