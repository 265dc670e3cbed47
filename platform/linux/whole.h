/*
 * whole — drivers whose layers hold their parents' files.
 *
 *      <root>/snapshots/<number>/fs        all that is to be seen
 *      <root>/snapshots/<number>/whole     the parent's files, while an unpacked fs is put on top
 *      <root>/snapshots/<number>/rebasing, rebased    ... which was begun, was done
 *
 * They differ in how a tree is made, had a second time and removed: that is a whole_kind.  All else
 * is here.
 */
#ifndef PLATFORM_LINUX_WHOLE_H
#define PLATFORM_LINUX_WHOLE_H

#include "platform/snapshotter.h"

struct whole_kind {
    /* FAILED_PRECONDITION: the file system under `folder` cannot do it. */
    int (*check)(const char *folder, struct error *err);
    int (*make)(const char *path, struct error *err); /* an empty tree, 0755 */
    /* `to` becomes what `from` is, at once.  NULL: it is copied by gantry-unpack. */
    int (*clone)(const char *from, const char *to, struct error *err);
    int (*drop)(const char *path, struct error *err); /* no error where there is none */
    /* NULL: what is written to a tree cannot be told from what it was made of. */
    int (*limit)(const char *path, uint64_t bytes, struct error *err);
    /* Bytes of the tree alone, where somebody counts them; the parent: "" for none.  May be NULL. */
    bool (*count)(const char *path, const char *parent, uint64_t *bytes);
    /* Has to be dropped: who removes files one by one cannot remove it.  NULL: nothing has. */
    bool (*needs_drop)(const char *path);
};

/* For the table of calls; the state is whole_open()'s. */
int whole_open(const struct whole_kind *kind, const char *folder, void **state, struct error *err);
void whole_close(void **state);
int whole_prepare(void *state, const struct layer_new *layer, struct error *err);
int whole_mounts(void *state, const struct layer_stack *stack, struct list *mounts,
                 struct arena *arena, struct error *err);
int whole_folder(void *state, uint64_t number, char path[PATH_SIZE], struct error *err);
int whole_remove(void *state, uint64_t number, const char *away, struct error *err);
int whole_each(void *state, int (*each)(void *ctx, uint64_t number, struct error *err), void *ctx,
               struct error *err);
int whole_rebase(void *state, const struct layer_new *layer, struct error *err);
int whole_sync(void *state, uint64_t number, struct error *err);
int whole_usage(void *state, uint64_t number, uint64_t parent, uint64_t *size, uint64_t *inodes,
                struct error *err);

#define WHOLE_PARENTS_MAX 100000 /* nothing grows with them */

/* The table of calls, all but for how a driver is opened. */
#define WHOLE_SNAPSHOTTER(called, opened)                                                        \
    {                                                                                            \
        .name = called, .parents_max = WHOLE_PARENTS_MAX, .whole = true, .open = opened,         \
        .close = whole_close, .prepare = whole_prepare, .mounts = whole_mounts,                  \
        .folder = whole_folder, .remove = whole_remove, .each_layer = whole_each,                \
        .rebase = whole_rebase, .sync = whole_sync, .usage = whole_usage,                        \
    }

#endif
