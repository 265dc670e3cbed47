/* layer — what differs between two trees, as a layer of an image (image-spec layer.md). */
#ifndef PACK_LAYER_H
#define PACK_LAYER_H

#include "platform/linux/pack/sink.h"
#include "platform/linux/pack/walk.h"

/* `latest`: seconds, no time in the layer is later; NULL.  *entries: how many. */
int layer_write(const struct pair *trees, char *const *excluded, const int64_t *latest,
                struct sink *sink, uint64_t *entries, struct error *err);

/* The same as a list: A, C or D, "/" and the path, NUL. */
int changes_write(const struct pair *trees, char *const *excluded, struct sink *sink,
                  struct error *err);

#endif
