/*
 * upper — the folder that alone holds what two stacks of layers differ in, if there is one.
 *
 * Where one overlay stands on exactly the layers that the other one is, the difference lies in one
 * folder, as overlayfs writes it (Documentation/filesystems/overlayfs.rst of the kernel): so only
 * that is looked at.  Nothing but the mounts is needed to know, so it does not matter whose they
 * are.
 */
#ifndef PACK_UPPER_H
#define PACK_UPPER_H

#include <stdbool.h>

#include "protocol/schema.h"

/* Its path in the arena; NULL: there is no such folder. */
const char *upper_find(const struct list *before, const struct list *after, struct arena *arena);

#endif
