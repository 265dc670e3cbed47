/*
 * user_maps — linux.uidMappings and gidMappings: which of our users those of a new user
 * namespace are.
 */
#ifndef RUNTIME_USER_MAPS_H
#define RUNTIME_USER_MAPS_H

#include <sys/types.h>

#include "platform/linux/runtime/place.h"

/* Both are there, and are ranges. */
int user_maps_check(const struct place *linux_, struct error *err);
/* Gives them to a process that is alone in its user namespace.  Who may not write them himself
   (user_namespaces(7)) asks newuidmap and newgidmap. */
int user_maps_write(const struct place *linux_, pid_t pid, struct error *err);
/* What id 0 inside is outside; -1: nobody. */
int64_t user_maps_root(const struct place *linux_, const char *key);

#endif
