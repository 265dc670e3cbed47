/*
 * attributes — what belongs to a file besides stat(2): a link's target, extended attributes.
 *
 * Of the extended ones those that are the file's own: user.*, trusted.*, access lists and
 * capabilities; not the notes of overlayfs, nor what a security module of this machine has put
 * there.
 */
#ifndef PACK_ATTRIBUTES_H
#define PACK_ATTRIBUTES_H

#include "platform/linux/pack/tar.h"

#define XATTRS_MAX 128

struct attributes {
    struct tar_xattr xattrs[XATTRS_MAX]; /* by name */
    size_t count;
    char names[65536]; /* the kernel's own limits for the list and for all values that ext4, xfs ...
                        */
    size_t value_size;
    char *values;
    size_t value_room;
};

/* Of `name` in an open folder; "." is the folder itself. */
int attributes_read(int folder, const char *name, struct attributes *attributes, struct error *err);
bool attributes_same(const struct attributes *a, const struct attributes *b);
/* 1: there, and it is "y": what the layers below have in this folder is hidden.  2: overlayfs has
   put something there that cannot be told from this folder alone. */
int attributes_opaque(int folder, const char *name, struct error *err);

#endif
