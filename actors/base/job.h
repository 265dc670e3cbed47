/*
 * job — a thread for work that takes time.
 *
 * Services own state and never wait.  Jobs own nothing and may wait: a job is one
 * function, read from top to bottom, that asks services with call() and does slow
 * things (download, hash, unpack) in between, on its own thread.
 *
 * The caller's wish to stop reaches a job where it waits: call(), job_check() and
 * job_wait() return -1 with CANCELLED, DEADLINE_EXCEEDED or UNAVAILABLE (the daemon
 * stops).  A job cleans up nothing but its own memory; what it made in services hangs
 * on its lease, and the collector takes back whatever no lease and no name holds.
 *
 * A job never outlives the request that started it, nor a child its parent.
 */
#ifndef ACTORS_BASE_JOB_H
#define ACTORS_BASE_JOB_H

#include "actors/base/actor.h"

struct job;

/* `out` is the zeroed reply record of the request (NULL for children and background jobs). */
typedef int job_body(struct job *job, const void *in, void *out, struct error *err);

/* In a handler: hand the request to a new job; its result is the answer.  `in` of the
   body is the request's body. */
int request_run(struct request *request, job_body *body, struct error *err);
/* The same, with another `in`; it must live as long as the request (its arena). */
int request_run_on(struct request *request, job_body *body, const void *in, struct error *err);

/* Without a request: `in` is copied; `done` (may be NULL) hears the end on the actor's thread. */
typedef void job_done(void *self, const void *in, const struct error *err);
int loop_run(struct loop *loop, const char *namespace, job_body *body, job_done *done,
             const void *in, size_t size, struct error *err);

/* ---- in a job ------------------------------------------------------------------ */

/* Asks a service and waits.  What comes back lives until the job ends (its arena). */
int call(struct job *job, const struct op *op, const void *in, void *out, struct error *err);

/* Asks although the job has been told to end: for giving back what it holds. */
void call_finally(struct job *job, const struct op *op, const void *in);
/* From here on the job finishes what it began: no cancel and no deadline for `ms`. */
void job_finish(struct job *job, int64_t ms);

/* -1 when the job shall end.  Never waits. */
int job_check(struct job *job, struct error *err);

/*
 * Runs `body` for each of `count` items (in = &items[i]), at most `at_once` at a time,
 * and returns when all have ended.  The first failure cancels the rest.  Results go
 * into the items, by value: a child's arena ends with it.
 */
int job_each(struct job *job, job_body *body, void *items, size_t count, size_t item_size,
             unsigned at_once, struct error *err);

/*
 * The same, while the job itself takes what they make: `heed` is called, on its own thread, whenever
 * one of them has called job_nudge() or has ended.  -1 is a failure like theirs.
 */
struct children {
    job_body *body;
    void *items;
    size_t count, item_size;
    unsigned at_once;
    int (*heed)(void *ctx, struct error *err); /* NULL: nothing is made meanwhile */
    void *ctx;
};
int job_children(struct job *job, const struct children *children, struct error *err);
void job_nudge(struct job *job);

/* Tells the caller how far things are; at most ten a second pass, a new stage or item always. */
void job_report(struct job *job, const struct progress *progress);

void job_enter(struct job *job, const char *namespace); /* calls from now on are in this one */
struct arena *job_arena(struct job *job);
const char *job_namespace(const struct job *job);
const char *job_lease(const struct job *job); /* NULL: none */
void job_hold(struct job *job, const char *lease); /* calls from now on carry this lease */
/*
 * Calls from now on are answered when their writes can be seen, and do not wait for the disk: for
 * the steps of a job whose last write does wait, which takes all before it along.  What a
 * daemon that is killed has written so is there; a machine that loses power loses it, the newest first.
 */
void job_relax(struct job *job, bool relaxed);
void *job_self(const struct job *job); /* the actor's self: only what never changes may be read */
int64_t job_time_left_ms(const struct job *job); /* -1: no limit */

/* ---- streams: data messages with the client of the request ------------------------ */

enum { JOB_FD = 1, JOB_INPUT = 2, JOB_CREDIT = 4 };

/*
 * Waits until one of `wanted` is there: the descriptor is readable, the client sent
 * data, the client's credit is above 0.  The set of those that are; 0 after timeout_ms
 * (-1: no limit); -1: see job_check().
 */
int job_wait(struct job *job, int fd, int wanted, int64_t timeout_ms, struct error *err);

struct chunk {
    struct chunk *next;
    const char *stream; /* stdin, ... */
    const void *bytes;
    size_t size;
    bool end;
    struct message *message; /* owns all */
};
struct chunk *job_take(struct job *job); /* NULL: nothing there now */
void chunk_free(struct chunk **chunk);

uint64_t job_credit(const struct job *job); /* bytes (or items) the client still takes */
/* Sends at once, whatever the credit; counts it.  `bytes` may be NULL with end. */
void job_send(struct job *job, const char *stream, const void *bytes, size_t size, bool end);
/* A message without bytes: what follows on the stream stands at this position of it. */
void job_send_at(struct job *job, const char *stream, uint64_t at);
/* Like job_send, but waits for the credit first. */
int job_send_credited(struct job *job, const char *stream, const void *bytes, size_t size, bool end,
                      struct error *err);
void job_allow(struct job *job, uint64_t bytes); /* lets the client send more */

/*
 * Asks the client of the request a question and waits at most `ms` for its answer.  Any job of the
 * request's family may; what comes back reaches the one that asked.  Both are data of a stream of
 * their own, NAME-NUMBER, so that several can be open; credit for `room` bytes goes with the
 * question.  DEADLINE_EXCEEDED: no answer in that time; others: see job_check().  What else the client
 * sends meanwhile is dropped.  The answer is the caller's: chunk_free().
 */
struct chunk *job_ask(struct job *job, const char *name, const struct bin *question, uint64_t room,
                      int64_t ms, struct error *err);

/*
 * For much: JOB_BUFFER_SIZE bytes to fill, which are sent from where they lie and used again
 * when they are out.  job_send() is better for little: a buffer counts as a whole.
 */
#define JOB_BUFFER_SIZE (256u * 1024)
char *job_buffer_take(struct job *job);
void job_buffer_drop(char **bytes); /* unsent */
/* As job_send(); takes the buffer. */
void job_send_buffer(struct job *job, const char *stream, char **bytes, size_t size, bool end);
bool job_buffers_spare(const struct job *job); /* there are some that job_buffers_trim() frees */
void job_buffers_trim(struct job *job);        /* nothing more will be sent for a while */

/* A random 32-digit id. */
void job_new_id(char id[33]);

#endif
