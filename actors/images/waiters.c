/* See waiters.h. */
#include "actors/images/waiters.h"

#include <stdlib.h>

struct waiter {
    struct waiter *next;
    struct waiters *waiters;
    struct request *request;
};

static void waiter_remove(struct waiter *waiter)
{
    struct waiter **at = &waiter->waiters->first;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    free(waiter);
}

static void waiter_went(void *self, struct request *request, void *arg)
{
    (void)self, (void)request;
    waiter_remove(arg);
}

int waiters_add(struct waiters *waiters, struct request *request)
{
    struct waiter *waiter = zmalloc(sizeof(*waiter)), **last = &waiters->first;

    *waiter = (struct waiter){ NULL, waiters, request };
    while (*last != NULL)
        last = &(*last)->next;
    *last = waiter;
    return request_keep(request, waiter_went, waiter);
}

struct request *waiters_take(struct waiters *waiters)
{
    struct waiter *first = waiters->first;
    struct request *request = first != NULL ? first->request : NULL;

    if (first != NULL)
        waiter_remove(first);
    return request;
}
