/* listing — the names in an open folder. */
#ifndef UNPACK_LISTING_H
#define UNPACK_LISTING_H

#include "protocol/error.h"

/* `each` is called for every name but . and ..; what it returns other than 0 ends the listing and
   is the result. */
int names_each(int folder, int (*each)(void *ctx, const char *name, struct error *err), void *ctx,
               struct error *err);

#endif
