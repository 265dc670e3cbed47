/*
 * collector — takes back what nothing names any more.
 *
 *      serves   protocol/schema/collector.def; PULL inproc://collector.due
 *      asks     content, snapshots, leases
 *      emits    nothing; the owners tell what they remove
 *      owns     the collector_edge table, whose rows are written by the owners of labels (edge.h)
 *
 * When to run is told by the writer: a write that may have let something go says loosen()
 * (writer.h), and after its commit a word arrives here.  That costs the others one line
 * and no knowledge of this actor, and many commits make one run.  A run holds nobody up: it reads
 * what a reader reads, and asks for removals a slice at a time.
 */
#ifndef ACTORS_COLLECTOR_COLLECTOR_H
#define ACTORS_COLLECTOR_COLLECTOR_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct collector_config {
    const char *database; /* path */
    /* When to run, as containerd's scheduler has it.  0: the default of each but the thresholds. */
    double pause_threshold;      /* share of the time that runs may take */
    uint64_t deletion_threshold; /* so many removals make a run due at once; 0: only in time */
    uint64_t mutation_threshold; /* so many writes of any kind make one due; 0: only removals do */
    uint64_t schedule_delay_ms;  /* from what makes a run due until it begins, at least */
    uint64_t startup_delay_ms;   /* until the first */
};

extern const struct actor collector_actor;
extern const struct db_schema collector_schema; /* behind those of content and snapshots */

struct collector;
struct collector *collector_new(const struct collector_config *config); /* copies it */
void collector_free(struct collector **collector);

#endif
