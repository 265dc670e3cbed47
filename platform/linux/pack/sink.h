/*
 * sink — where the bytes go: into a file, compressed and hashed on the way, or to the daemon.
 *
 * What comes is gathered into pieces, so that small entries cost no calls.
 */
#ifndef PACK_SINK_H
#define PACK_SINK_H

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/linux/pack/compress.h"
#include "platform/linux/pack/protocol.h"

#define SHA256_TEXT_SIZE (7 + 64 + 1)

struct sink {
    int file; /* -1: data on standard output */
    struct compress *compress;
    struct sha256_ctx plain, packed; /* of what came, of what went into the file */
    uint64_t plain_size, packed_size;
    uint64_t entries; /* counted by who puts them */
    size_t have;
    uint8_t piece[PACK_DATA];
};

/* Takes `file`. */
int sink_open_file(struct sink *sink, int file, const char *compression, struct error *err);
void sink_open_data(struct sink *sink);
int sink_bytes(struct sink *sink, const void *bytes, size_t size, struct error *err);
/* So many of zero. */
int sink_zero(struct sink *sink, uint64_t size, struct error *err);
/* All is where it shall be; of a file: what its plain bytes and its own hash to. */
int sink_finish(struct sink *sink, char plain[SHA256_TEXT_SIZE], char packed[SHA256_TEXT_SIZE],
                struct error *err);

#endif
