/* claim — the jobs' side of claim.c: work that is done once in the whole daemon. */
#ifndef ACTORS_IMAGES_CLAIM_H
#define ACTORS_IMAGES_CLAIM_H

#include "actors/base/job.h"

#define CLAIM_KEY_SIZE 400 /* of a namespace, a kind, a driver and a digest */

struct claim_held {
    struct job *job; /* NULL: none is held */
    char key[CLAIM_KEY_SIZE];
};

/* Waits until the work is the caller's, who then owes a claim_drop().  The key says what kind of
   work it is: a blob and a chain of one plain layer have the same digest. */
int claim_take(struct claim_held *claim, struct job *job, struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void claim_drop(struct claim_held *claim); /* for CLEANUP() */

#endif
