/* names — names for containers that people can say: an adjective and a noun. */
#ifndef TOOLS_GANTRY_NAMES_H
#define TOOLS_GANTRY_NAMES_H

#include <stdint.h>

#define NAME_ROOM 48

/* The same name for the same number; attempts above 2 add digits of it, so that a crowded
   namespace still finds free ones. */
void name_make(uint64_t random, int attempt, char name[NAME_ROOM]);

#endif
