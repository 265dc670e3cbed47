/*
 * copy — something in a container's root, as a tar for who has asked for it.
 *
 * Its entries begin with the last name of the path, or with "." where that is the root or ends in a
 * dot.  File systems of the kernel's own (proc, sysfs and the like) are folders without anything in
 * them.
 */
#ifndef PACK_COPY_H
#define PACK_COPY_H

#include <stdbool.h>

#include "platform/linux/pack/ids.h"
#include "platform/linux/pack/sink.h"

/* Links on the way are followed, in the root; one at the end only with a slash behind it. */
int copy_write(int root, const struct ids *ids, const char *path, struct sink *sink,
               struct error *err);
/* What is there: one line, and before it as data where it really is and, of a link, where that
 * leads. */
int copy_stat(int root, const char *path, struct sink *sink, struct error *err);

#endif
