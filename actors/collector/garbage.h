/*
 * garbage — what a run has to remove, in an order that never meets a reference.
 *
 * What is pointed at goes after what points at it: then the owner's own condition is the
 * cheap one (reach.h), and no snapshot is asked to go before its children.  As long as the order
 * allows, things of one kind stand together, so that their owner can take many at a time.
 */
#ifndef ACTORS_COLLECTOR_GARBAGE_H
#define ACTORS_COLLECTOR_GARBAGE_H

#include "actors/base/db.h"
#include "protocol/schema.h"

struct piece {
    struct resource what; /* driver "" but for snapshots */
    uint64_t size;
    size_t pointers;      /* from garbage that is still there */
    size_t children;      /* of a snapshot: those that are still there */
    struct piece *parent; /* of a snapshot: garbage as well; NULL: it is not, or there is none */
    struct target {
        struct target *next;
        struct piece *piece;
    } * targets;
    struct piece *next; /* in its list of those that may go */
    bool is_taken;
};

enum garbage_kind { GARBAGE_IMAGE, GARBAGE_CONTENT, GARBAGE_SNAPSHOT, GARBAGE_KINDS };

struct garbage {
    struct piece *pieces;
    size_t count;
    struct piece *ready[GARBAGE_KINDS]; /* nothing of the rest points at them */
    size_t looked_at; /* pieces that were asked whether a ring can be broken there */
};

/* All of a namespace, in the arena. */
int garbage_read(struct db *db, const char *namespace, struct garbage *garbage, struct arena *arena,
                 struct error *err);

/* The next things to go, at most `room`, all of one kind; how many, 0: nothing is left. */
size_t garbage_slice(struct garbage *garbage, struct resource *slice, size_t room);

#endif
