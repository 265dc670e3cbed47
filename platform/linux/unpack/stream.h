/*
 * stream — the decompressed bytes of the layer, hashed.
 *
 * The DiffID covers every byte, also those behind the end that the tar reader
 * sees, so it is taken here, below the reader.  A second thread decompresses and
 * hashes ahead while the first one makes files; it has to be started before the
 * system call filter is.
 */
#ifndef UNPACK_STREAM_H
#define UNPACK_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "platform/linux/unpack/decompress.h"
#include "protocol/error.h"

#define DIFF_ID_SIZE (7 + 64 + 1)

struct stream; /* opaque */

/* `max_bytes`: RESOURCE_EXHAUSTED beyond; 0: no limit.  Takes what it needs, reads nothing. */
struct stream *stream_new(struct decompress *decompress, uint64_t max_bytes, struct error *err);
/* Starts the thread, which begins to read. */
int stream_start(struct stream *stream, struct error *err);
/* The next block, good until the next call; waits for it.  *size = 0: the end. */
int stream_next(struct stream *stream, const void **block, size_t *size, struct error *err);
/* Bytes that stream_next() has given. */
uint64_t stream_bytes(const struct stream *stream);
/* Drains what is left and says the digest of it all. */
int stream_finish(struct stream *stream, char diff_id[DIFF_ID_SIZE], struct error *err);

#endif
