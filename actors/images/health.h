/*
 * health — which hosts answer, known to all jobs of the daemon: a circuit breaker.
 *
 * A host that could not be reached, or that fails, is left out for ten times as long as finding
 * that out has cost (a second at least), twice as long each time it happens again, ten minutes at
 * most.  So a dead host costs its time-out once, and never more than a tenth of the time after
 * that.  When the while is over, one request is let through to look; the others go on without the
 * host until that one has its answer, which brings the host back or leaves it out for longer.
 *
 * A host that nothing stands in for is not left out: who needs it is the one that looks.  But while
 * one looks, the others that need it wait for what that one finds, and share it: that it is back,
 * or that nobody is there.
 *
 * The images actor owns the state, which ends with the daemon; jobs ask before each request to a
 * host (health_enter) and tell afterwards (health_leave).
 */
#ifndef ACTORS_IMAGES_HEALTH_H
#define ACTORS_IMAGES_HEALTH_H

#include "actors/base/job.h"

#define HEALTH_MIN_MS INT64_C(1000)
#define HEALTH_MAX_MS INT64_C(600000)
#define HEALTH_HOSTS  256 /* remembered; the longest unheard of goes first */

struct health; /* of one host; newest first */
struct images;

int on_images_host_enter(void *self, struct request *request, struct error *err);
int on_images_host_leave(void *self, struct request *request, struct error *err);
int on_images_host_health(void *self, struct request *request, struct error *err);
void health_free(struct images *images);

/* How long a host is left out that has failed so many times in a row, `cost_ms` the last time, and
   that asked for `retry_ms`. */
int64_t health_while_ms(unsigned failures, int64_t cost_ms, int64_t retry_ms);

/* ---- the side of jobs ----------------------------------------------------------------------- */

struct health_visit {
    struct job *job; /* NULL: not there */
    const char *key;
    int64_t began; /* or made progress; monotonic ns */
    bool looked;
};

/* 0: go on, and health_leave() is owed.  UNAVAILABLE: it is left out, the error says why; `needed`:
   nothing stands in for it.  `key` outlives the visit. */
int health_enter(struct health_visit *visit, struct job *job, const char *key, bool needed,
                 struct error *err);
/* It answers; what will come of it takes longer.  Who waits for that goes on. */
void health_answers(struct health_visit *visit);
/* How it was: NULL: it answered, be it with a refusal. */
void health_leave(struct health_visit *visit, const struct error *err);
/* ... or nobody knows, because we gave up. */
void health_give_up(struct health_visit *visit);

#endif
