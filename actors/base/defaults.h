/*
 * defaults — what a namespace's labels say when a request does not.
 *
 * A namespace may have labels containerd.io/defaults/snapshotter and containerd.io/defaults/runtime, as
 * containerd's have.  Read by every actor itself: a request must not wait for another actor to be
 * told what nearly nobody sets.
 */
#ifndef ACTORS_BASE_DEFAULTS_H
#define ACTORS_BASE_DEFAULTS_H

#include "actors/base/db.h"

#define DEFAULT_SNAPSHOTTER "containerd.io/defaults/snapshotter"
#define DEFAULT_RUNTIME     "containerd.io/defaults/runtime"

/* `asked`, or the namespace's label, or `otherwise`: in the arena, or as given. */
const char *default_of(struct db *db, const char *namespace, const char *label, const char *asked,
                       const char *otherwise, struct arena *arena);

#endif
