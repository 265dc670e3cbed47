/* zstd — one frame, at the library's usual level. */
#include <stdint.h>
#include <stdlib.h>
#include <zstd.h>

#include "platform/linux/pack/compress.h"

#define ROOM (128u << 10)

struct zstd {
    ZSTD_CStream *stream;
    uint8_t out[ROOM];
};

void *zstd_new(void)
{
    struct zstd *zstd = calloc(1, sizeof(*zstd));

    if (zstd != NULL)
        zstd->stream = ZSTD_createCStream();
    return zstd != NULL && zstd->stream != NULL ? zstd : NULL;
}

int zstd_bytes(void *state, const void *bytes, size_t size, bool is_last, compressed *out,
               void *ctx, struct error *err)
{
    struct zstd *zstd = state;
    ZSTD_inBuffer in = { bytes, size, 0 };
    size_t left;

    do {
        ZSTD_outBuffer to = { zstd->out, sizeof(zstd->out), 0 };

        left = ZSTD_compressStream2(zstd->stream, &to, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return error_set(err, ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        if (to.pos > 0 && out(ctx, zstd->out, to.pos, err) < 0)
            return -1;
    } while (in.pos < in.size || (is_last && left > 0));
    return 0;
}
