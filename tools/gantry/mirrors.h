/*
 * mirrors — what the user is known by at other hosts than the registry itself: the daemon says
 * which there are, and each is told what is kept under its own name, and nothing else.
 */
#ifndef TOOLS_GANTRY_MIRRORS_H
#define TOOLS_GANTRY_MIRRORS_H

#include "tools/gantry/command.h"

struct mirrors {
    struct list known; /* of host_credentials, for the request */
    bool receive;      /* what is pushed goes to one of them, not to the registry */
};

/* For the hosts of a reference.  What is wrong with it the request itself is told. */
int mirrors_find(struct cli *cli, const char *reference, struct mirrors *out, struct error *err);
void mirrors_wipe(struct mirrors *mirrors);

#endif
