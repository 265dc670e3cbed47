/* entry — one thing of a tree as an entry of a tar. */
#ifndef PACK_ENTRY_H
#define PACK_ENTRY_H

#include <sys/stat.h>

#include "platform/linux/pack/tar.h"

struct entry_place {
    int folder; /* an open one */
    const char *name;
    const char *path;      /* in the tar; without a slash at its end */
    const struct stat *st; /* as it was seen */
    const char *link;      /* it is another name of this one; NULL */
    const int64_t *latest; /* seconds: a later time becomes this; NULL */
};

/* A file's bytes are taken as they come: what grows meanwhile is cut off, what shrinks is filled
 * up. */
int entry_put(struct sink *sink, const struct entry_place *place, struct error *err);

#endif
