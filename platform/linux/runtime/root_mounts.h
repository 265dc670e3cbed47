/*
 * root_mounts — carries out what a snapshot driver has described: the mounts of a root file system.
 *
 * Used by everybody who needs one: the shim, and the helpers that look into one before they
 * give up the right to mount.  In a mount namespace of their own, so that nobody has to unmount.
 */
#ifndef RUNTIME_ROOT_MOUNTS_H
#define RUNTIME_ROOT_MOUNTS_H

#include "protocol/schema.h"

/* In order, on `folder` (relative to the current one, or absolute; not a link); targets are found
   inside it, whatever links an image has put there.  INVALID_ARGUMENT: an option that means nothing
   here. */
int root_mounts_make(const char *folder, const struct list *mounts, struct error *err);

#endif
