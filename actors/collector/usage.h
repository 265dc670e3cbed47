/*
 * usage — what takes how much disk, and what of it can be had back.
 *
 * A blob or a layer is counted once, however many images lead to it; it is in use when a container
 * was made from one of them, or stands on it.  What is not in use, and led to by images alone or by
 * nothing, can be had back by removing images.
 */
#ifndef ACTORS_COLLECTOR_USAGE_H
#define ACTORS_COLLECTOR_USAGE_H

#include "actors/base/db.h"
#include "actors/base/job.h"

/* `in` is a struct question (explain.h); the reply a collector_usage_reply. */
int usage_job(struct job *job, const void *in, void *out, struct error *err);

/* measure.c: sums into the groups, and one by one. */
int measure_containers(struct job *job, struct db *db, struct usage_group *containers,
                       struct usage_group *logs, struct list *details, struct error *err);
int measure_volumes(struct job *job, struct usage_group *group, struct list *details,
                    struct error *err);
int measure_downloads(struct job *job, struct usage_group *group, struct error *err);

#endif
