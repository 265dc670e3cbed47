/*
 * layer — the entries of the tar stream, one after the other, put into the tree.
 *
 * libarchive reads headers and finds the data; it writes nothing.  Names are bytes
 * here: cleaned as text (`..` at the root stays there), never converted.
 */
#ifndef UNPACK_LAYER_H
#define UNPACK_LAYER_H

#include <stdint.h>

#include "platform/linux/unpack/stream.h"
#include "platform/linux/unpack/tree.h"

/* Before the process is confined: what the reader wants of the system. */
int layer_prepare(struct error *err);
/* All entries.  `max_entries`: 0 is no limit. */
int layer_apply(struct stream *stream, struct tree *tree, uint64_t max_entries, struct error *err);

#endif
