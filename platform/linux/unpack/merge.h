/*
 * merge — a tree is put on top of another one.
 *
 * Where layers hold their parents' files (snapshotter.whole), a layer is unpacked apart as for overlay and
 * then merged: what it has replaces what is there, folders become one, and its whiteouts and opaque
 * folders remove.  Files are moved where that is possible, and else copied.
 */
#ifndef UNPACK_MERGE_H
#define UNPACK_MERGE_H

#include "platform/linux/unpack/tree.h"

enum merge_how {
    MERGE_LAYER, /* with whiteouts and marks; its files may be moved, it is used up */
    MERGE_COPY   /* as it is: a character device 0:0 is one */
};

/* `from`: the open root of what is put on top.  A `from` whose root nobody named leaves the
   target's root as it is. */
int merge(struct tree *to, int from, enum merge_how how, struct error *err);

#endif
