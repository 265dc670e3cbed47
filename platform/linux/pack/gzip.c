/* gzip — one member without a time, by isa-l or by zlib (level 6, as docker has it). */
#include <stdint.h>
#include <stdlib.h>

#include "platform/linux/pack/compress.h"

#define ROOM (128u << 10)

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>

struct gzip {
    struct isal_zstream stream;
    uint8_t level[ISAL_DEF_LVL2_DEFAULT], out[ROOM];
};

void *gzip_new(void)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip == NULL)
        return NULL;
    isal_deflate_init(&gzip->stream);
    gzip->stream.gzip_flag = IGZIP_GZIP;
    gzip->stream.level = 2;
    gzip->stream.level_buf = gzip->level;
    gzip->stream.level_buf_size = sizeof(gzip->level);
    return gzip;
}

int gzip_bytes(void *state, const void *bytes, size_t size, bool is_last, compressed *out,
               void *ctx, struct error *err)
{
    struct gzip *gzip = state;
    struct isal_zstream *stream = &gzip->stream;

    stream->next_in = (uint8_t *)(uintptr_t)bytes;
    stream->avail_in = (uint32_t)size;
    stream->end_of_stream = is_last;
    do {
        stream->next_out = gzip->out;
        stream->avail_out = ROOM;
        if (isal_deflate(stream) != COMP_OK)
            return error_set(err, ERROR_INTERNAL, "gzip: the library refuses to go on");
        if (stream->avail_out < ROOM && out(ctx, gzip->out, ROOM - stream->avail_out, err) < 0)
            return -1;
    } while (is_last ? stream->internal_state.state != ZSTATE_END : stream->avail_in > 0);
    return 0;
}
#else
#include <zlib.h>

#define LEVEL  6
#define WINDOW (15 + 16) /* the largest; 16 says gzip */
#define MEMORY 8

struct gzip {
    z_stream stream;
    uint8_t out[ROOM];
};

void *gzip_new(void)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip == NULL ||
        deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    return gzip;
}

int gzip_bytes(void *state, const void *bytes, size_t size, bool is_last, compressed *out,
               void *ctx, struct error *err)
{
    struct gzip *gzip = state;
    z_stream *stream = &gzip->stream;
    int result;

    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)size;
    do {
        stream->next_out = gzip->out;
        stream->avail_out = ROOM;
        result = deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return error_set(err, ERROR_INTERNAL, "gzip: the library refuses to go on");
        if (stream->avail_out < ROOM && out(ctx, gzip->out, ROOM - stream->avail_out, err) < 0)
            return -1;
    } while (is_last ? result != Z_STREAM_END : stream->avail_in > 0);
    return 0;
}
#endif
