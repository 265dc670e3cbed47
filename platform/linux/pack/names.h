/* names — of what is in a folder, sorted byte by byte. */
#ifndef PACK_NAMES_H
#define PACK_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

struct names {
    char *text; /* one behind the other */
    size_t size, room;
    const char **items;
    size_t count;
};

/* `folder` -1: none. */
int names_read(int folder, struct names *names, struct error *err);
bool names_have(const struct names *names, const char *name);
void names_free(struct names *names); /* for CLEANUP() */

#endif
