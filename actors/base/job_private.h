/* job_private — the inside of jobs, shared by the files of job.h only. */
#ifndef ACTORS_BASE_JOB_PRIVATE_H
#define ACTORS_BASE_JOB_PRIVATE_H

#include "actors/base/job.h"
#include "actors/base/request.h"
#include "actors/base/thread_order.h"

#define PEERS_MAX       16
#define STREAM_ROOM     32 /* a stream's name and a NUL */
#define CANCEL_GRACE_MS 10000 /* a service that answers later than this after a cancel is given up */

struct peer {
    char name[24];
    zsock_t *socket;
    unsigned era; /* actors_era when it was opened */
    struct stats *stats;
};

/* A thread that lives one job after the other; what is expensive to open stays open. */
struct worker {
    zsock_t *pipe; /* to the one who gives it jobs */
    struct peer peers[PEERS_MAX];
    zsock_t *writer, *written; /* job_write()'s; opened on first use */
    char written_address[40];
    uint64_t next_id; /* of a question; an answer to an earlier job's has another one */
    bool gone;        /* told to end */
};

/* What a job inherits from its request and gives to its children. */
struct context {
    char namespace[128];
    char lease[160];
    int64_t deadline;
    void *self;
    const char *actor;
};

struct job {
    struct worker *worker;
    zsock_t *pipe; /* the worker's */
    struct context context;
    struct arena *arena;
    bool relaxed; /* its calls do not wait for the disk */
    enum error_code cancelled;
    enum error_code held; /* a cancel that came during a call_finally() */
    bool finally;         /* ... which is under way */
    bool dismissed; /* whoever started it has its result, or goes away */
    uint64_t credit;
    struct chunk *first, **last;
    struct job_buffers *buffers; /* NULL: none were wanted */
    int64_t reported; /* monotonic ns of the last progress */
    char reported_what[200];
};

struct birth {
    job_body *body;
    const void *in;
    const struct record *reply; /* NULL: none */
    struct context context;
};

struct job_handle {
    struct job_handle *next; /* of the background jobs */
    zactor_t *thread;
    struct loop *loop;
    struct request *request; /* NULL: background */
    job_done *done;
    void *in;
    struct error err;
    struct birth birth;
    bool failed;
};

enum order_kind { ORDER_BIRTH, ORDER_CANCEL, ORDER_MESSAGE, ORDER_DISMISS };

struct order {
    enum order_kind kind;
    enum error_code why;
    struct message *message;
    const struct birth *birth; /* lives until the job's result has been read */
};

/* job.c */
void order_send(zactor_t *thread, const struct order *order);
void take_orders(struct job *job);
int told_to_end(struct job *job, struct error *err);
void news_send(struct job *job, const char *kind, const char *stream, bool end, zframe_t *body);
/* Takes the message. */
void news_send_message(struct job *job, const char *kind, const char *stream, bool end, zmq_msg_t *body);
void job_spend(struct job *job, size_t size); /* of the credit */
void job_live(struct worker *worker, const struct birth *birth); /* from its birth to its dismissal */

/* job_worker.c */
zactor_t *worker_start(const struct birth *birth); /* with its first job; NULL: no thread */
/* The same, by one that waits for work where there is one. */
zactor_t *crew_call(struct loop *loop, const struct birth *birth);
/* Its job's result has been read: it waits for the next one, or ends. */
void crew_release(struct loop *loop, zactor_t **worker);

/* job_write.c */
void worker_writer_close(struct worker *worker);

/* job_ask.c: who asked what, of a list that begins as NULL. */
struct asked;
void asked_note(struct asked **list, const char *stream, const void *by);
const void *asked_take(struct asked **list, const char *stream); /* NULL: nobody */
void asked_forget(struct asked **list, const void *by);          /* NULL: all */

/* job_buffer.c */
void job_buffers_close(struct job *job); /* those that are out come home later, to nobody */

#endif
