/*
 * lease — what a job makes hangs on a lease of its own until something names it.
 *
 * Nothing has to be undone then: a job that fails, is cancelled or dies with the daemon
 * loses its lease, and the collector does the rest.
 *
 * Such a lease costs no write of its own: its row is made by the write of the first thing that hangs on
 * it (hold() in writer.h), and may go with the write that names all that does (hold_end()).
 */
#ifndef ACTORS_BASE_LEASE_H
#define ACTORS_BASE_LEASE_H

#include <string.h>

#include "actors/base/job.h"

/* How ids of such leases begin.  The jobs of a daemon do not outlive it, so the next one starts
   with removing them; nobody else may have a lease of such a name. */
#define JOB_LEASE "job-"

static inline bool lease_is_of_job(const char *id)
{
    return strncmp(id, JOB_LEASE, strlen(JOB_LEASE)) == 0;
}
/* ... and refs of ingests that a job alone can go on with. */
#define JOB_INGEST JOB_LEASE

struct held_lease {
    struct job *job; /* NULL: none is held */
    char id[40];
};

/* From here on all calls of the job carry it.  The caller owes a lease_drop(). */
void lease_take(struct held_lease *lease, struct job *job);
/* The same, where the request has brought none. */
void lease_have(struct held_lease *lease, struct job *job);
/* It went with a write that called hold_end(). */
void lease_settled(struct held_lease *lease);
void lease_drop(struct held_lease *lease); /* for CLEANUP() */

#endif
