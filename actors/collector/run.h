/* run — one collection: mark, then ask the owners to remove. */
#ifndef ACTORS_COLLECTOR_RUN_H
#define ACTORS_COLLECTOR_RUN_H

#include "actors/base/job.h"
#include "platform/platform.h"

/* Handed to the job by address; the job writes the results, the actor reads them behind it. */
struct run {
    char database[PATH_SIZE];
    struct collector_run_reply result;
    int64_t next_expiry; /* when the time of the next image comes; 0: there is none */
};

int run_job(struct job *job, const void *in, void *out, struct error *err);

#endif
