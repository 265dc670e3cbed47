/*
 * compress — bytes in, fewer bytes out: gzip, zstd or as they are.
 *
 * gzip by isa-l (several times zlib's speed, files about a seventh larger) or, where that is not
 * there, by zlib.  Neither writes a time or a name into what it makes.
 */
#ifndef PACK_COMPRESS_H
#define PACK_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

typedef int compressed(void *ctx, const void *bytes, size_t size, struct error *err);

struct compress; /* opaque */

/* `kind`: none, gzip, zstd.  What comes out goes to `out`. */
struct compress *compress_new(const char *kind, compressed *out, void *ctx, struct error *err);
int compress_bytes(struct compress *compress, const void *bytes, size_t size, bool is_last,
                   struct error *err);

/* The two formats, each in its file. */
void *gzip_new(void);
int gzip_bytes(void *gzip, const void *bytes, size_t size, bool is_last, compressed *out, void *ctx,
               struct error *err);
void *zstd_new(void);
int zstd_bytes(void *zstd, const void *bytes, size_t size, bool is_last, compressed *out, void *ctx,
               struct error *err);

#endif
