/*
 * trash — files that shall go: out of the way at once, removed behind.
 *
 * A handler renames into <root>/trash/<actor> (which takes no time, however large the
 * tree) and answers; one background job at a time empties that folder.  What a crash
 * leaves there goes at the next start, and what resists is tried again.
 */
#ifndef ACTORS_BASE_TRASH_H
#define ACTORS_BASE_TRASH_H

#include "actors/base/actor.h"
#include "platform/platform.h"

/* Puts away what `name` means, if that is still to go.  On the actor's thread. */
typedef int trash_again(void *self, const char *name, struct error *err);

struct trash {
    struct loop *loop;
    char folder[PATH_SIZE];
    bool busy;
    bool again;              /* something came while the job was looking */
    bool resists;            /* something in the folder did */
    struct trash_rest *rest; /* what could not be put away yet */
    int timer;               /* then it is tried again; -1: nothing waits */
    uint64_t wait_ms;
};

/* In the actor's start() and stop(): makes the folder, and empties it behind. */
int trash_open(struct trash *trash, struct loop *loop, const char *root, struct error *err);
void trash_close(struct trash *trash);
/* `path` is on the root's file system.  One that is not there is no error. */
int trash_put(struct trash *trash, const char *path, struct error *err);
/* For what could not be put away: `again` is called with a copy of `name` a moment from now, then
   at growing intervals, until it returns 0. */
void trash_later(struct trash *trash, const char *name, trash_again *again);

/* The same in two steps, for who has another way to rename: a name in the folder that nobody
   has, and the emptying. */
int trash_name(const struct trash *trash, char path[PATH_SIZE], struct error *err);
void trash_empty(struct trash *trash);

#endif
