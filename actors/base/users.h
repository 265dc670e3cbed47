/*
 * users — who a container's process is, by the passwd and group files of its image.
 *
 * The unpacker read them out of the image's top layer once, into
 * <root>/snapshots/<layer>/users; here they are parsed for the two actors that make
 * processes.
 */
#ifndef ACTORS_BASE_USERS_H
#define ACTORS_BASE_USERS_H

#include "actors/base/db.h"
#include "protocol/oci/users.h"
#include "protocol/schema.h"

/* `layer` 0: an image without layers has no users.  Reads two small files. */
int users_of_layer(const char *root, uint64_t layer, const char *text, const struct strs *group_add,
                   struct arena *arena, struct user_ids *ids, struct error *err);

/* By the parent of the container's snapshot. */
int users_of_container(struct db *db, const char *root, const char *namespace, const struct container_info *info,
                       const char *text, const struct strs *group_add, struct arena *arena, struct user_ids *ids,
                       struct error *err);

#endif
