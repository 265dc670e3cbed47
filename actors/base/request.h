/* request — the inside of actor.h, shared by loop, jobs and writer only. */
#ifndef ACTORS_BASE_REQUEST_H
#define ACTORS_BASE_REQUEST_H

#include "actors/base/actor.h"
#include "actors/base/wire.h"
#include "actors/base/writer.h"

struct job_handle;

#define CREW_MAX 8 /* that may wait: each holds some 100 KiB */

struct loop {
    const struct actor *actor;
    void *self;
    zsock_t *inbox;   /* ROUTER inproc://NAME: requests, and writes that are committed */
    zsock_t *writer;  /* PUSH inproc://writer, opened on first use */
    zloop_t *zloop;
    struct stats *stats;
    struct request *open; /* newest first */
    struct request *open_last;
    struct watch *watches;
    uint64_t jobs;
    struct job_handle *background; /* jobs without a request */
    struct crew {                  /* threads that wait for the next job; job_worker.c */
        zactor_t *idle[CREW_MAX];
        size_t count;
        size_t spare; /* so many have waited all the time since the timer looked last */
        int timer;    /* sends those away; 0: does not run */
    } crew;
    uint64_t writes;
    bool stopping;
    int error_code;
};

struct request {
    struct loop *loop;
    struct request *newer, *older;
    const struct route *route;
    struct message *message; /* caller, envelope, arena */
    void *body;
    int64_t arrived;  /* monotonic ns */
    int64_t deadline; /* monotonic ns, 0: none */
    int timer;        /* of the deadline, -1: none */
    struct job_handle *job;
    struct write *write;
    request_gone *gone;
    void *gone_arg;
    request_more *more;
    request_gone *ended;
    void *ended_arg;
    uint64_t credit; /* items the client still takes */
    enum error_code cancelled; /* why, when it was */
};

/* Sends without ending the request. */
void request_send(struct request *request, const char *kind, zframe_t **body);
/* Of a stream, with a flag as in job.c. */
void request_send_flagged(struct request *request, const char *kind, const char *stream, const char *flag,
                          zframe_t **body);
void request_finish(struct request *request, const char *kind, zframe_t **body);

/* watch.c */
void watches_free(struct loop *loop);

/* actor.c.  How many actors have ended: an open socket to one of an earlier era may lead nowhere. */
unsigned actors_era(void);

/* job_worker.c */
void crew_dismiss(struct loop *loop);

/* job_loop.c */
void job_cancel(struct job_handle *job, enum error_code why);
void job_deliver(struct job_handle *job, struct message **message);
void jobs_cancel_background(struct loop *loop);
const char *job_actor(const struct job *job);

#endif
