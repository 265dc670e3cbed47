/*
 * collector — takes back what nothing names any more.
 *
 *      serves   protocol/schema/collector.def; PULL inproc://collector.due
 *      asks     content, snapshots, leases
 *      emits    nothing; the owners tell what they remove
 *      owns     nothing
 *
 * When to run is told by the writer: a write that may have let something go says loosen()
 * (writer.h), and after its commit a word arrives here.  That costs the others one line
 * and no knowledge of this actor, and many commits make one run.
 */
#ifndef ACTORS_COLLECTOR_COLLECTOR_H
#define ACTORS_COLLECTOR_COLLECTOR_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct collector_config {
    const char *database; /* path */
};

extern const struct actor collector_actor;
extern const struct db_schema collector_schema; /* no tables: for completeness */

struct collector;
struct collector *collector_new(const struct collector_config *config); /* copies it */
void collector_free(struct collector **collector);

#endif
