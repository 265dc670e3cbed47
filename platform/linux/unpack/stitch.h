/*
 * stitch — resolves the deferred things of a layer now that its parents are
 * complete.  May be repeated after it was interrupted.
 *
 * The layer was unpacked as if nothing were under it.  That is right unless it
 * reaches through a link of its parents: it puts lib/x where the parents have
 * lib -> usr/lib.  Then nothing but unpacking it again with the parents in sight
 * is right, and the error is ABORTED.
 */
#ifndef UNPACK_STITCH_H
#define UNPACK_STITCH_H

#include "platform/linux/unpack/tree.h"

/* tree->lower is there.  The caller closes the tree and removes the list. */
int stitch(struct tree *tree, int layer, struct error *err);

#endif
