/* explain — what the next run would remove, and what keeps a thing from it. */
#ifndef ACTORS_COLLECTOR_EXPLAIN_H
#define ACTORS_COLLECTOR_EXPLAIN_H

#include "actors/base/job.h"

/* `in` of both jobs. */
struct question {
    const char *database; /* path */
    const void *body;     /* of the request */
};

int list_job(struct job *job, const void *in, void *out, struct error *err); /* collector.list */
int why_job(struct job *job, const void *in, void *out, struct error *err);  /* collector.why */

#endif
