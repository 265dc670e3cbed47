/* compress — see compress.h. */
#include "platform/linux/pack/compress.h"

#include <stdlib.h>
#include <string.h>

struct compress {
    void *state; /* of the format; NULL: as it is */
    int (*bytes)(void *state, const void *bytes, size_t size, bool is_last, compressed *out,
                 void *ctx, struct error *err);
    compressed *out;
    void *ctx;
};

static int as_it_is(void *state, const void *bytes, size_t size, bool is_last, compressed *out,
                    void *ctx, struct error *err)
{
    (void)state, (void)is_last;
    return size > 0 ? out(ctx, bytes, size, err) : 0;
}

struct compress *compress_new(const char *kind, compressed *out, void *ctx, struct error *err)
{
    struct compress *compress = calloc(1, sizeof(*compress));
    bool is_gzip = strcmp(kind, "gzip") == 0, is_zstd = strcmp(kind, "zstd") == 0;

    if (!is_gzip && !is_zstd && strcmp(kind, "none") != 0) {
        error_set(err, ERROR_INVALID_ARGUMENT, "compression '%.20s': none, gzip or zstd", kind);
        return NULL;
    }
    if (compress != NULL && (is_gzip || is_zstd))
        compress->state = is_gzip ? gzip_new() : zstd_new();
    if (compress == NULL || ((is_gzip || is_zstd) && compress->state == NULL)) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for %s", kind);
        return NULL; /* and the process ends */
    }
    compress->bytes = is_gzip ? gzip_bytes : is_zstd ? zstd_bytes : as_it_is;
    compress->out = out;
    compress->ctx = ctx;
    return compress;
}

int compress_bytes(struct compress *compress, const void *bytes, size_t size, bool is_last,
                   struct error *err)
{
    return compress->bytes(compress->state, bytes, size, is_last, compress->out, compress->ctx,
                           err);
}
