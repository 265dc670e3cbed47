/*
 * kept — what a failed pull has finished, for the next try.
 *
 * When another try may succeed, blobs and snapshots that are complete hang on a lease
 * named after the image, for a day, like unfinished downloads do.  The pull that succeeds
 * at last lets go of it.
 */
#ifndef ACTORS_IMAGES_KEPT_H
#define ACTORS_IMAGES_KEPT_H

#include "actors/base/lease.h"

/* After a failure, with the job's lease still held; takes the job's wish to end away. */
void kept_save(struct job *job, const struct held_lease *lease, const char *name,
               const struct error *why);
void kept_forget(struct job *job, const char *name);

#endif
