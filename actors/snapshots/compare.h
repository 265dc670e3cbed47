/* compare — two snapshots as mounts, for as long as somebody looks at them. */
#ifndef ACTORS_SNAPSHOTS_COMPARE_H
#define ACTORS_SNAPSHOTS_COMPARE_H

#include "actors/base/lease.h"
#include "platform/packing.h"

/* A committed snapshot is looked at by a view of it, which goes afterwards. */
struct looked_at {
    char view[64]; /* "": none was made */
    struct list mounts;
};

struct compared {
    struct job *job;
    const char *driver;
    struct held_lease lease; /* where the request has none */
    struct looked_at before, after;
};

/* `parent` NULL: the snapshot's own.  The caller owes a compared_drop(). */
int compared_open(struct compared *compared, struct job *job, const char *driver, const char *key,
                  const char *parent, struct error *err);
void compared_drop(struct compared *compared); /* for CLEANUP() */

#endif
