/* journal — the inside of events, shared by its files. */
#ifndef ACTORS_EVENTS_JOURNAL_H
#define ACTORS_EVENTS_JOURNAL_H

#include "actors/base/actor.h"
#include "actors/base/db.h"
#include "actors/events/events.h"
#include "platform/platform.h"

struct subscription;

struct events {
    char database[PATH_SIZE];
    char socket[PATH_SIZE]; /* "": none */
    char group[64];         /* "": root alone */
    uint64_t keep;
    struct db *db; /* reads */
    struct loop *loop;
    zsock_t *told; /* PULL inproc://journal: the writer has committed events */
    zsock_t *xpub;
    int64_t published; /* sequence of the last event on the xpub */
    struct subscription *subscriptions;
    bool trimming;
    bool more_is_due; /* a timer stands for what could not be done in one go */
};

/* Which events somebody wants. */
struct wish {
    const char *namespace;   /* NULL: of all */
    struct filters *filters; /* NULL: all */
};

/* What a request wants; lives in its arena.  INVALID_ARGUMENT: a filter is none. */
int wish_of(struct request *request, struct wish *wish, struct error *err);

/* The events behind `sequence`, oldest first.  1: a row, 0: no more, -1. */
int journal_open(struct events *events, struct query *rows, int64_t sequence, struct error *err);
int journal_next(struct query *rows, struct event *event, struct arena *arena, struct error *err);
bool is_wanted(const struct wish *wish, const struct event *event);

/* OUT_OF_RANGE when events behind `sequence` have been trimmed; 0 means "from the oldest". */
int journal_check_gap(struct events *events, int64_t sequence, struct error *err);
int64_t journal_last(struct events *events);  /* sequence of the newest event; 0: none yet */
int64_t journal_first(struct events *events); /* of the oldest; 0: none */

/* subscribe.c */
int on_event_subscribe(void *self, struct request *request, struct error *err);
bool subscriptions_feed(struct events *events); /* true: there is more to send now */
void events_continue(struct events *events);    /* does the rest in a moment */

#endif
