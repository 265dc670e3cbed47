/* collect — removals that are answered when what they let go of is gone, too (sync). */
#ifndef ACTORS_BASE_COLLECT_H
#define ACTORS_BASE_COLLECT_H

#include "actors/base/job.h"

/* A job's body, or the end of one: waits for a run of the collector that begins after this. */
int collect_job(struct job *job, const void *in, void *out, struct error *err);

#endif
