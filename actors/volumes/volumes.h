/*
 * volumes — the actor that owns volumes: folders of data that outlive containers.
 *
 *      serves   protocol/schema/volumes.def
 *      asks     itself, by the job of a prune
 *      emits    /volumes/create, /volumes/update, /volumes/delete
 *      owns     <root>/volumes/<namespace>/<name>/data, and the volumes_volume table
 *
 * Which container holds a volume is said by rows of containers (containers_volume), which are
 * written with the container's record; a removal asks for them inside its own write.  What is
 * made for a container that has no record yet is held by the lease of the job that makes it.
 *
 * A volume is the user's data: the collector has no business with it.
 */
#ifndef ACTORS_VOLUMES_VOLUMES_H
#define ACTORS_VOLUMES_VOLUMES_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct volumes_config {
    const char *root;
    const char *database;
};

extern const struct actor volumes_actor; /* starts before leases: see volumes.c */
extern const struct db_schema volumes_schema;

struct volumes;
struct volumes *volumes_new(const struct volumes_config *config); /* copies it */
void volumes_free(struct volumes **volumes);

#endif
