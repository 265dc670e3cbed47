/*
 * ids — whose files are in a container, where its users are others on the host.
 *
 * What is mounted for a container in a user namespace says so (uidmap=, gidmap=), and shows the
 * host's ids.  A layer, and an archive, have the container's own.
 */
#ifndef PACK_IDS_H
#define PACK_IDS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "protocol/id_map.h"

struct ids {
    bool is_mapped; /* else both are the same */
    struct id_map users, groups;
};

/* Of mounts (records mount). */
int ids_read(const struct list *mounts, struct ids *ids, struct error *err);
/* The container's for the host's; an id that is none of the container's stays. */
void ids_inside(const struct ids *ids, struct stat *st);
/* The host's for the container's; false: the container has no such id. */
bool ids_outside(const struct ids *ids, uid_t *uid, gid_t *gid);

#endif
