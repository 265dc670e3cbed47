/*
 * Turns: making, filling and removing one volume happen one after the other, in the order in
 * which they were asked for; so a folder is never filled by two, nor swept away from under the
 * row that was just made for it.
 */
#include "actors/volumes/store.h"

struct waiter {
    struct waiter *next;
    struct turn *turn;
    struct request *request;
    handler *again;
};

struct turn {
    struct turn *next;
    struct volumes *volumes;
    char namespace[IDENTIFIER_MAX + 4], name[VOLUME_NAME_MAX + 1];
    struct waiter *waiters; /* the first one asked first */
};

static void waiter_drop(struct waiter *waiter)
{
    struct waiter **at = &waiter->turn->waiters;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    free(waiter);
}

static void waiter_gone(void *self, struct request *request, void *arg)
{
    (void)self, (void)request;
    waiter_drop(arg);
}

static void turn_ended(void *self, struct request *request, void *arg)
{
    struct turn *turn = arg, **at = &turn->volumes->turns;

    (void)request;
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    while (turn->waiters != NULL) {
        struct waiter waiter = *turn->waiters;
        struct error err = { 0 };

        waiter_drop(turn->waiters);
        if (waiter.again(self, waiter.request, &err) < 0)
            request_fail(waiter.request, &err);
    }
    free(turn);
}

static int wait_for(struct turn *turn, struct request *request, handler *again)
{
    struct waiter *waiter = zmalloc(sizeof(*waiter)), **end = &turn->waiters;

    *waiter = (struct waiter){ .turn = turn, .request = request, .again = again };
    while (*end != NULL)
        end = &(*end)->next;
    *end = waiter;
    request_keep(request, waiter_gone, waiter);
    return 1;
}

static struct turn *turn_find(const struct volumes *volumes, const char *namespace,
                              const char *name)
{
    struct turn *turn = volumes->turns;

    while (turn != NULL && (!streq(turn->name, name) || !streq(turn->namespace, namespace)))
        turn = turn->next;
    return turn;
}

bool turn_is_taken(const struct volumes *volumes, const char *namespace, const char *name)
{
    return turn_find(volumes, namespace, name) != NULL;
}

int turn_take(struct volumes *volumes, struct request *request, const char *name, handler *again)
{
    const char *namespace = request_namespace(request);
    struct turn *turn = turn_find(volumes, namespace, name);

    if (turn != NULL)
        return wait_for(turn, request, again);
    turn = zmalloc(sizeof(*turn));
    turn->volumes = volumes;
    snprintf(turn->namespace, sizeof(turn->namespace), "%s", namespace);
    snprintf(turn->name, sizeof(turn->name), "%s", name);
    turn->next = volumes->turns;
    volumes->turns = turn;
    request_on_end(request, turn_ended, turn);
    return 0;
}
