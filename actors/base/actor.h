/*
 * actor — a thread that owns some state and answers requests about it.
 *
 * An actor is a private struct and a table of routes.  The loop here is the only
 * one in the daemon: it takes a request from the mailbox (ROUTER at
 * inproc://NAME), finds the route, unpacks the body, calls the handler, and sees
 * to it that every request gets exactly one final answer.
 *
 * A handler never waits.  It does one of:
 *      - request_reply(request, &reply)         answered
 *      - request_write(request, body, ...)      answered after the commit (writer.h)
 *      - request_run(request, job_body, ...)    answered when the job returns (job.h)
 *      - request_keep(request, gone, arg)       answered later by the actor itself
 *      - fill in `err` and return -1            the loop sends the error
 *
 * A request, and all that was unpacked with it, lives until its final answer.
 */
#ifndef ACTORS_BASE_ACTOR_H
#define ACTORS_BASE_ACTOR_H

#include <czmq.h>

#include "actors/base/stats.h"
#include "protocol/schema.h"

struct request;
struct loop;

typedef int handler(void *self, struct request *request, struct error *err);

struct route {
    const struct op *op;
    handler *handle;
};

struct actor {
    const char *name;           /* serves inproc://NAME; the part of its ops before the dot */
    const struct route *routes; /* ends with an empty route */
    int (*start)(void *self, struct loop *loop, struct error *err); /* on its thread; may be NULL */
    void (*stop)(void *self);                                       /* on its thread; may be NULL */
};

/*
 * Starts the thread and waits until start() has returned; NULL and `err` when it
 * failed.  `actor` and `self` must outlive it.  End it with actor_stop().
 */
zactor_t *actor_start(const struct actor *actor, void *self, struct error *err);
void actor_stop(zactor_t **actor);

/* ---- in a handler ----------------------------------------------------------- */

const void *request_body(const struct request *request);
struct arena *request_arena(struct request *request);
const char *request_namespace(const struct request *request); /* "default" when not said */
const char *request_lease(const struct request *request);     /* NULL: none */
const struct op *request_op(const struct request *request);
int64_t request_deadline(const struct request *request);      /* monotonic ns; 0: none */
bool request_is_inside(const struct request *request);        /* asked by a job of the daemon, not by a client */
bool request_is_relaxed(const struct request *request);       /* its writes need not wait for the disk: job_relax() */
void *request_self(const struct request *request);
struct loop *request_loop(const struct request *request);

/* The final answer; the request is gone afterwards.  request_reply returns 0. */
int request_reply(struct request *request, const void *reply);
void request_fail(struct request *request, const struct error *err);

/* Streams of a kept request.  An item counts against the client's credit: -1 and
   RESOURCE_EXHAUSTED when there is none left (the item is not sent). */
int request_item(struct request *request, const void *item, struct error *err);
void request_progress(struct request *request, const struct progress *progress);

/*
 * Keeps the request.  `gone` is called when the caller has cancelled it or its time
 * is up: it must let go of the request and may not answer (the loop does).
 */
typedef void request_gone(void *self, struct request *request, void *arg);
int request_keep(struct request *request, request_gone *gone, void *arg);
/* Told when credit arrives for a kept request's items. */
typedef void request_more(void *self, struct request *request, void *arg);
void request_on_credit(struct request *request, request_more *more);

/* Told when the request ends, however it ends, and before its answer leaves: for what an actor remembers about requests
   that jobs or writes work on (locks, counts). */
void request_on_end(struct request *request, request_gone *ended, void *arg);

/* ---- the loop, for actors that watch more than their mailbox ------------------ */

typedef void loop_ready(void *self, void *arg);

int loop_watch(struct loop *loop, int fd, loop_ready *ready, void *arg);  /* readable */
void loop_unwatch(struct loop *loop, int fd);
int loop_watch_socket(struct loop *loop, zsock_t *socket, loop_ready *ready, void *arg);
void loop_unwatch_socket(struct loop *loop, zsock_t *socket);
/* Calls once after, or with times = 0 every, `ms`; the id ends it early. */
int loop_timer(struct loop *loop, uint64_t ms, unsigned times, loop_ready *ready, void *arg);
void loop_timer_end(struct loop *loop, int timer);
bool loop_is_stopping(const struct loop *loop);
void *loop_self(const struct loop *loop);
const char *loop_name(const struct loop *loop);

/* ---- names -------------------------------------------------------------------- */

/* "inproc://NAME" of the actor that serves `op`. */
void actor_address(const char *op_name, char address[64]);

#define ACTOR_QUEUE_MAX 1000 /* messages in a mailbox; beyond: resource_exhausted */

#endif
