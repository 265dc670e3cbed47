/*
 * decompress — the tar stream out of the blob: gzip, zstd or plain.
 *
 * Every byte of the blob has to belong to a complete, correct member or frame;
 * several in a row are one stream (so are eStargz and zstd:chunked written).
 */
#ifndef UNPACK_DECOMPRESS_H
#define UNPACK_DECOMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "platform/linux/unpack/source.h"
#include "protocol/error.h"

struct decompress; /* opaque */

/* `compression`: none, gzip, zstd, or auto.  Does not read yet. */
struct decompress *decompress_new(struct source *source, const char *compression,
                                  struct error *err);
/* Up to `room` bytes, as many as can be had without waiting twice; *got = 0: the end, and all was
   found correct.  DATA_LOSS: truncated, wrong check sum, garbage. */
int decompress_next(struct decompress *decompress, uint8_t *to, size_t room, size_t *got,
                    struct error *err);

/* The two formats, each in its file.  `in` is what was read and not used yet. */
struct input {
    struct source *source;
    uint8_t *bytes;
    size_t at, size;
    int ended;
};
/* Reads on when nothing is left; afterwards nothing left means the end. */
int input_fill(struct input *input, struct error *err);

void *gzip_new(void);
int gzip_next(void *gzip, struct input *input, uint8_t *to, size_t room, size_t *got,
              struct error *err);
void *zstd_new(void);
int zstd_next(void *zstd, struct input *input, uint8_t *to, size_t room, size_t *got,
              struct error *err);

#endif
