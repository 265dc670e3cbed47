/*
 * spec_places — where in its root a container has mounts.
 *
 * A mount needs something to lie on.  What an image does not have the OCI runtime makes: an empty
 * file or folder in the container's own layer, which nobody has written and no image wants.
 */
#ifndef PROTOCOL_OCI_SPEC_PLACES_H
#define PROTOCOL_OCI_SPEC_PLACES_H

#include "protocol/record.h"

/* Of the spec (JSON), in its order; in the arena. */
int spec_places(const char *spec, size_t size, struct arena *arena, struct strs *paths,
                struct error *err);
/* Its bind mounts (records mount, in the arena), as they would be made in the root; without those
   whose source lies in the folder `except`. */
int spec_binds(const char *spec, size_t size, const char *except, struct arena *arena,
               struct list *mounts, struct error *err);
/* root.readonly */
int spec_is_read_only(const char *spec, size_t size, bool *read_only, struct error *err);

#endif
