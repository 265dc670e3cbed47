/* waiters — requests that an outcome is kept from, in the order in which they came. */
#ifndef ACTORS_IMAGES_WAITERS_H
#define ACTORS_IMAGES_WAITERS_H

#include "actors/base/actor.h"

struct waiter;

struct waiters {
    struct waiter *first; /* zeroed: none */
};

/* Keeps the request; one whose caller goes is forgotten.  For a handler to return. */
int waiters_add(struct waiters *waiters, struct request *request);
/* The first of them, to be answered now; NULL: none waits. */
struct request *waiters_take(struct waiters *waiters);

#endif
