/*
 * events — the actor that tells what has happened.
 *
 *      serves   protocol/schema/events.def; XPUB inproc://events.xpub and <state>/events.sock
 *      asks     nobody
 *      emits    nothing of its own
 *      owns     the events_journal table
 *
 * Events are rows that the writer adds together with what they tell; this actor reads
 * them behind the commit.  A subscriber is a position in the journal and what it may
 * still be sent, so replay and live are one thing: there is no gap between them, and a
 * slow subscriber costs a number, not a queue.
 */
#ifndef ACTORS_EVENTS_EVENTS_H
#define ACTORS_EVENTS_EVENTS_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct events_config {
    const char *database; /* path */
    const char *socket;   /* path of the socket that publishes; NULL: only inproc */
    const char *group;    /* of that socket; NULL: root alone */
    uint64_t keep;        /* rows of the journal; 0: 100,000 */
};

extern const struct actor events_actor;
extern const struct db_schema events_schema;

struct events;
struct events *events_new(const struct events_config *config); /* copies it */
void events_free(struct events **events);

#endif
