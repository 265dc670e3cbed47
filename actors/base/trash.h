/*
 * trash — files that shall go: out of the way at once, removed behind.
 *
 * A handler renames into <root>/trash/<actor> (which takes no time, however large the
 * tree) and answers; one background job at a time empties that folder.  What a crash
 * leaves there goes at the next start.
 */
#ifndef ACTORS_BASE_TRASH_H
#define ACTORS_BASE_TRASH_H

#include "actors/base/actor.h"
#include "platform/platform.h"

struct trash {
    struct loop *loop;
    char folder[PATH_SIZE];
    bool busy;
    bool again; /* something came while the job was looking */
};

/* In the actor's start(): makes the folder, and empties it behind. */
int trash_open(struct trash *trash, struct loop *loop, const char *root, struct error *err);
/* `path` is on the root's file system.  One that is not there is no error. */
int trash_put(struct trash *trash, const char *path, struct error *err);

/* The same in two steps, for who has another way to rename: a name in the folder that nobody
   has, and the emptying. */
int trash_name(const struct trash *trash, char path[PATH_SIZE], struct error *err);
void trash_empty(struct trash *trash);

#endif
