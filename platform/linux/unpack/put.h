/*
 * put — a client's archive into a folder of a container's root.
 *
 * As a layer is read, with three differences: what is there stays where it can (tree.h, merging),
 * no name means a removal, and the bytes come as a stream.  The tree is the whole root, so that
 * links in the container lead where they lead for the container; all entries go below the folder.
 */
#ifndef UNPACK_PUT_H
#define UNPACK_PUT_H

#include "protocol/error.h"

/* `root` as gantry-pack takes it.  Gives up powers on the way; all is done when it returns 0. */
int put_run(const char *root, const char *folder, struct error *err);

#endif
