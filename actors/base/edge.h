/*
 * edge — the references that labels make between objects.
 *
 * containerd.io/gc.ref.content[.x]              = digest of a blob
 * containerd.io/gc.ref.snapshot.<driver>[/x]    = key of a snapshot
 *
 * The owner of a label mirrors its edges into a table, because the collector asks
 * SQL and SQL cannot look into packed labels.
 */
#ifndef ACTORS_BASE_EDGE_H
#define ACTORS_BASE_EDGE_H

#include "protocol/record.h"

#define LABEL_GC_ROOT "containerd.io/gc.root"

struct edge {
    const char *kind;   /* content or snapshot */
    const char *driver; /* "" for content */
    const char *key;
};

/* The edges that the labels make, in the arena; how many is returned. */
size_t labels_edges(const struct map *labels, struct edge **edges, struct arena *arena);

#endif
