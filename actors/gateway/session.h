/*
 * session — a client that has spoken, and its open requests.
 *
 * Requests live in a fixed table: the gateway's id of a request is its slot and the
 * slot's generation, so finding one is an index, and the table is the limit.
 */
#ifndef ACTORS_GATEWAY_SESSION_H
#define ACTORS_GATEWAY_SESSION_H

#include <czmq.h>

#include "protocol/schema.h"

struct session {
    zframe_t *peer;      /* routing id */
    int64_t heard;       /* monotonic ns */
    bool delimited;      /* a REQ client: an empty frame stands before the envelope */
    bool lost;           /* its queue was full: nothing more is sent */
    unsigned open;       /* requests */
    struct forward *first;
    struct sessions *home;
};

struct forward {
    struct forward *next; /* of the same session; or of the free ones */
    struct session *session;
    uint64_t caller_id;
    uint32_t slot;
    uint32_t generation;
    int service; /* index of the actor */
};

struct sessions {
    zhashx_t *by_peer;
    struct forward *slots;
    struct forward *free;
    uint32_t slot_count;
};

void sessions_open(struct sessions *sessions, uint32_t slots);
void sessions_close(struct sessions *sessions);

struct session *session_find(struct sessions *sessions, zframe_t *peer); /* made when new */
void session_drop(struct sessions *sessions, struct session *session);

struct forward *forward_new(struct sessions *sessions, struct session *session, uint64_t caller_id,
                            int service); /* NULL: no free slot */
void forward_free(struct sessions *sessions, struct forward *forward);
uint64_t forward_id(const struct forward *forward);
struct forward *forward_of_id(struct sessions *sessions, uint64_t id);                /* NULL: gone */
struct forward *forward_of_caller(const struct session *session, uint64_t caller_id); /* NULL: none */

#endif
