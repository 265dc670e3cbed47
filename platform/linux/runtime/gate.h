/*
 * gate — where a created container waits for being started.
 *
 * A listening socket in the state folder, which the container's first process inherits.
 * `start` connects, takes the socket's file away (from then on the container counts as
 * running) and says GO; the connection stays open until the user's program runs, so what goes
 * wrong on the last steps is told to `start`, and to nobody else.
 */
#ifndef RUNTIME_GATE_H
#define RUNTIME_GATE_H

#include "protocol/error.h"

int gate_open(int folder, struct error *err); /* the listener */
/* In the first process: waits, for ever.  The connection, on which GO was said. */
int gate_wait(int gate, struct error *err);
/* By `start`.  The connection; FAILED_PRECONDITION when nobody waits. */
int gate_connect(int folder, struct error *err);

#endif
