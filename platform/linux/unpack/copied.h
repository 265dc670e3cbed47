/* copied — under which name a file with several names was copied first: the others become links. */
#ifndef UNPACK_COPIED_H
#define UNPACK_COPIED_H

#include <sys/stat.h>

#include "protocol/error.h"

/* By value; zero is empty. */
struct copied {
    void *names; /* tsearch(3) */
};

/* The path in the new tree; NULL: it is the first. */
const char *copied_find(const struct copied *copied, const struct stat *st);
int copied_add(struct copied *copied, const struct stat *st, const char *path, struct error *err);
void copied_free(struct copied *copied);

#endif
