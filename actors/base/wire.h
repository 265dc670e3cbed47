/* wire — records in frames, messages of two frames: envelope and body. */
#ifndef ACTORS_BASE_WIRE_H
#define ACTORS_BASE_WIRE_H

#include <czmq.h>

#include "protocol/schema.h"

zframe_t *wire_frame(const struct record *record, const void *in);

/* Reads a frame that must be there.  A frame that is missing is INVALID_ARGUMENT. */
int wire_unframe(zframe_t *frame, const struct record *record, enum record_mode mode, void *out,
                 struct arena *arena, struct error *err);

/*
 * Sends [to] envelope body.  Takes the body (destroyed also on failure); copies `to`,
 * which is NULL on sockets that route by themselves.  0, or -1 when the peer is gone
 * or its queue is full: never waits (sockets have sndtimeo 0).
 */
int wire_send(zsock_t *socket, zframe_t *to, const struct envelope *envelope, zframe_t **body);

struct failure wire_failure(const struct error *err, const char *origin);
void wire_error(const struct failure *failure, struct error *err);

/* A message as it arrived, unpacked as far as the envelope. */
struct message {
    zmsg_t *frames;    /* owns all */
    zframe_t *caller;  /* first frame on ROUTER sockets, else NULL */
    zframe_t *body;    /* may be NULL: malformed */
    struct envelope envelope;
    struct arena *arena;
};

/* Waits on the socket; NULL when interrupted.  A malformed envelope sets `err` and has kind "". */
struct message *message_receive(zsock_t *socket, bool with_caller, struct error *err);
/* The same of what was received already; takes the frames. */
struct message *message_of(zmsg_t *frames, bool with_caller, struct error *err);
void message_free(struct message **message);

#endif
