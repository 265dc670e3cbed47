/*
 * leases — the actor that keeps what nothing else names yet.
 *
 *      serves   protocol/schema/leases.def
 *      asks     collector (leases.remove with sync)
 *      emits    nothing
 *      owns     the leases_* tables
 *
 * Whoever makes things that are named only later (a pull) opens a lease and lets them
 * hang on it: hold() in writer.h adds a row here with each of them.  When the lease goes,
 * or lapses, the collector takes back what nothing else has come to name.
 */
#ifndef ACTORS_LEASES_LEASES_H
#define ACTORS_LEASES_LEASES_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct leases_config {
    const char *database; /* path */
};

extern const struct actor leases_actor;
extern const struct db_schema leases_schema;

struct leases;
struct leases *leases_new(const struct leases_config *config); /* copies it */
void leases_free(struct leases **leases);

#endif
