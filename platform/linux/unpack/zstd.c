/*
 * zstd — frames, one after the other, skippable ones among them (zstd:chunked keeps its table of
 * contents in one).  The window is at most 128 MiB, the library's own limit.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "platform/linux/unpack/decompress.h"

struct zstd {
    ZSTD_DStream *stream;
    size_t wanted; /* 0: between two frames */
    bool any;
};

void *zstd_new(void)
{
    struct zstd *zstd = calloc(1, sizeof(*zstd));

    if (zstd != NULL && (zstd->stream = ZSTD_createDStream()) == NULL) {
        free(zstd);
        return NULL;
    }
    return zstd;
}

static int step(struct zstd *zstd, struct input *input, ZSTD_outBuffer *out, struct error *err)
{
    ZSTD_inBuffer in = { input->bytes, input->size, input->at };
    size_t before = out->pos;

    zstd->wanted = ZSTD_decompressStream(zstd->stream, out, &in);
    if (ZSTD_isError(zstd->wanted))
        return error_set(err,
                         ZSTD_getErrorCode(zstd->wanted) == ZSTD_error_memory_allocation
                             ? ERROR_RESOURCE_EXHAUSTED
                             : ERROR_DATA_LOSS,
                         "layer: zstd data: %s%s", ZSTD_getErrorName(zstd->wanted),
                         zstd->any ? "" : " (it is not zstd)");
    if (input->ended && zstd->wanted != 0 && out->pos == before)
        return error_set(err, ERROR_DATA_LOSS, "layer: the zstd data is cut off");
    zstd->any = true;
    input->at = in.pos;
    return 0;
}

int zstd_next(void *self, struct input *input, uint8_t *to, size_t room, size_t *got,
              struct error *err)
{
    struct zstd *zstd = self;
    ZSTD_outBuffer out = { to, room, 0 };

    while (out.pos < room) {
        if (input_fill(input, err) < 0)
            return -1;
        if (input->at == input->size && zstd->any && zstd->wanted == 0)
            break;
        if (input->ended && !zstd->any)
            return error_set(err, ERROR_DATA_LOSS, "layer: it is empty, not zstd");
        if (step(zstd, input, &out, err) < 0)
            return -1;
    }
    *got = out.pos;
    return 0;
}
