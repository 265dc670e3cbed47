/*
 * garbage — what a run has to remove, in an order that never meets a reference.
 *
 * What is pointed at goes after what points at it: then the owner's own condition is the
 * cheap one (reach.h), and no snapshot is asked to go before its children.  Things of one
 * level do not point at each other, so they can go at the same time.
 */
#ifndef ACTORS_COLLECTOR_GARBAGE_H
#define ACTORS_COLLECTOR_GARBAGE_H

#include "actors/base/db.h"

struct piece {
    const char *kind;
    const char *driver;
    const char *key;
    uint64_t size;
    size_t pointers; /* from garbage that is still there */
    size_t children; /* of a snapshot: those that are still there */
    struct piece *parent; /* of a snapshot: garbage as well; NULL: it is not, or there is none */
    size_t *targets; /* indexes of what it points at */
    size_t target_count;
    bool is_taken;    /* into a level */
    bool is_removed;  /* by the run */
    struct error err; /* why not; ERROR_NONE: somebody was faster, or it is kept after all */
};

struct garbage {
    struct piece *pieces;
    size_t count;
};

/* All of a namespace, in the arena. */
int garbage_read(struct db *db, const char *namespace, struct garbage *garbage, struct arena *arena,
                 struct error *err);

/*
 * The pieces that nothing of the rest points at; when only cycles are left, all of it but snapshots
 * that have children among the rest.
 * Indexes into `level` (room for all); how many, 0: nothing is left.
 */
size_t garbage_level(struct garbage *garbage, size_t *level);

#endif
