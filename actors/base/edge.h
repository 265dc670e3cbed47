/*
 * edge — the references that labels make between objects, as containerd defines them.
 *
 * containerd.io/gc.ref.content[.x|/x]            = digest of a blob that this object needs
 * containerd.io/gc.ref.snapshot.<driver>[/x]     = key of a snapshot
 * containerd.io/gc.ref.image[.x|/x]              = name of an image
 * containerd.io/gc.bref.content[.x|/x]           = digest of a blob that needs this object; and so
 *                  .image, .container (an id) and .snapshot.<driver>: references backwards, written
 *                  by who cannot change the other's labels
 *
 * The owner of a label mirrors its edges into one table, from what needs to what is needed, because
 * the collector asks SQL and SQL cannot look into packed labels.  A reference backwards is the
 * labels' owner's all the same: it goes with them.
 */
#ifndef ACTORS_BASE_EDGE_H
#define ACTORS_BASE_EDGE_H

#include "actors/base/writer.h"

#define LABEL_GC_ROOT   "containerd.io/gc.root"
#define LABEL_GC_EXPIRE "containerd.io/gc.expire" /* of leases and images: an RFC 3339 time */
#define LABEL_GC_FLAT   "containerd.io/gc.flat"   /* of leases */

struct edge {
    const char *kind;   /* content, snapshot, image; container: only backwards */
    const char *driver; /* "" but for snapshots */
    const char *key;
    bool back;
};

/* The edges that the labels make, in the arena; how many is returned. */
size_t labels_edges(const struct map *labels, struct edge **edges, struct arena *arena);

/* In a write of the object's owner: its labels are these now; or it is gone. */
int edges_write(struct write *write, const char *kind, const char *driver, const char *key,
                const struct map *labels, struct error *err);
int edges_drop(struct write *write, const char *kind, const char *driver, const char *key,
               struct error *err);

/* When the labels say that it goes by itself; 0: they do not.  -1: the label is no time. */
int labels_expiry(const struct map *labels, int64_t *expires, struct error *err);

#endif
