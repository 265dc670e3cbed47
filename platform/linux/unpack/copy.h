/* copy — one thing of another tree, with all that is to be known of it, into this one. */
#ifndef UNPACK_COPY_H
#define UNPACK_COPY_H

#include "platform/linux/unpack/tree.h"

/* Anything but a folder: `path` below `root`, none of whose folders is a link (`st`: of it),
   becomes `name` in `folder`, where nothing is. */
int copy_thing(struct tree *tree, int root, const char *path, const struct stat *st,
               struct folder *folder, const char *name, struct error *err);

#endif
