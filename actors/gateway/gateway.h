/*
 * gateway — where clients come in.
 *
 *      serves   ROUTER on the configured endpoints and on inproc://gantry
 *      asks     nobody; forwards every request to the actor that its op names
 *      emits    nothing
 *      owns     sessions: who is there, and what each has asked for
 *
 * It opens only envelopes.  A request gets an id of the gateway's own on its way in
 * and the caller's back on its way out; the body passes untouched.  So this is the one
 * place for limits, for rights, and for cancelling what a lost client left.
 */
#ifndef ACTORS_GATEWAY_GATEWAY_H
#define ACTORS_GATEWAY_GATEWAY_H

#include <czmq.h>

#include "protocol/error.h"

struct gateway_config {
    const char *const *endpoints; /* ipc://...; ends with NULL */
    const char *group;            /* of ipc sockets; NULL: root alone */
    const char *const *actors;    /* names of the services; ends with NULL */
    uint64_t message_size;        /* bytes, the largest message taken */
    uint64_t requests_per_client;
    uint64_t requests_total;
    uint64_t lost_after_ms;       /* a silent client's work is cancelled; 0: 12 s */
};

/* The actors must run already.  NULL and `err` when an endpoint cannot be bound. */
zactor_t *gateway_start(const struct gateway_config *config, struct error *err);
void gateway_stop(zactor_t **gateway);

/* How many clients have a session now; from any thread. */
unsigned gateway_clients(void);

#endif
