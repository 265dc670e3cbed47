/* root — what a container's options say about the snapshot of its root file system, in labels. */
#ifndef ACTORS_CONTAINERS_ROOT_H
#define ACTORS_CONTAINERS_ROOT_H

#include "protocol/schema.h"

/* Fills `labels`, in the arena; has_volatile: where it may be, as --rm.  INVALID_ARGUMENT for an option that
   means nothing. */
int root_labels(const struct containers_create_request *want, bool has_volatile, struct map *labels,
                struct arena *arena, struct error *err);

#endif
