/*
 * copyup — takes a thing of the parents into this layer, so that a hard link to
 * it can be made: in the merged view both names are one file then.
 *
 * What is copied once is in the layer, so however many links a layer has, no
 * file of the parents is copied twice.
 */
#ifndef UNPACK_COPYUP_H
#define UNPACK_COPYUP_H

#include "platform/linux/unpack/tree.h"

/* `path`: where a hard link points to, in the parents.  Afterwards it is in the tree, in the
   folder with the real path `folder`, under *name.  INVALID_ARGUMENT: the parents do not have it,
   or this layer hides it. */
int copyup(struct tree *tree, const char *path, char folder[PATH_MAX], const char **name,
           struct error *err);

#endif
