/*
 * whiteout — names that mean a removal: .wh.NAME, and .wh..wh..opq for all that
 * the parents have in a folder.
 *
 * On overlayfs a whiteout is a character device 0:0, and an opaque folder has an
 * attribute.  A whiteout concerns the parents only: whatever this layer has
 * under that name stays, whether it came before or comes after.
 */
#ifndef UNPACK_WHITEOUT_H
#define UNPACK_WHITEOUT_H

#include "platform/linux/unpack/tree.h"

enum whiteout {
    WHITEOUT_NONE,   /* an ordinary entry */
    WHITEOUT_NAME,   /* removes a name */
    WHITEOUT_OPAQUE, /* removes all in its folder */
    WHITEOUT_IGNORED /* other file systems' notes, .wh..wh.* */
};

/* What the clean path says; INVALID_ARGUMENT for names that are neither. */
int whiteout_kind(const char *path, enum whiteout *kind, struct error *err);
int whiteout_apply(struct tree *tree, const char *path, enum whiteout kind, struct error *err);
/* An opaque root, which overlayfs does not know: whiteouts for all that the parents have there.
   Needs the parents. */
int whiteout_root(struct tree *tree, struct error *err);

#endif
