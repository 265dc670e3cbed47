/*
 * A job and its pipe to the one who started it, an actor's loop or another job.
 * Down the pipe go orders: cancel, and what the client sends; up go
 * progress, stream data and, last, one result.  Whoever holds the upper end gives
 * the result on and dismisses the worker (job_worker.c) from the job.
 */
#include "actors/base/job.h"

#include "actors/base/job_private.h"
#include "platform/platform.h"

#define PROGRESS_NS 100000000

/* ---- orders, down the pipe ---------------------------------------------------------- */

void order_send(zactor_t *thread, const struct order *order)
{
    zframe_t *frame = zframe_new(order, sizeof(*order));

    ORDER_BEFORE_SEND();
    zframe_send(&frame, thread, 0);
    zframe_destroy(&frame);
}

static void queue_chunk(struct job *job, struct message *message)
{
    struct chunk *chunk = zmalloc(sizeof(*chunk));

    *chunk = (struct chunk){
        .stream = message->envelope.stream ? message->envelope.stream : "",
        .bytes = message->body ? (const void *)zframe_data(message->body) : "",
        .size = message->body ? zframe_size(message->body) : 0,
        .end = message->envelope.has_end && message->envelope.end,
        .message = message,
    };
    *job->last = chunk;
    job->last = &chunk->next;
}

static void take_message(struct job *job, struct message *message)
{
    struct credit credit = { 0 };
    struct error err;

    if (streq(message->envelope.kind, "data")) {
        queue_chunk(job, message);
        return;
    }
    if (streq(message->envelope.kind, "credit") &&
        wire_unframe(message->body, credit_record(), RECORD_LENIENT, &credit, message->arena, &err) == 0)
        job->credit += credit.count < UINT32_MAX ? credit.count : UINT32_MAX;
    message_free(&message);
}

void take_orders(struct job *job)
{
    /* what comes behind the dismissal is for the worker's next job */
    while (!job->dismissed && zsock_events(job->pipe) & ZMQ_POLLIN) {
        zmsg_t *msg = zmsg_recv(job->pipe);
        zframe_t *frame = msg ? zmsg_first(msg) : NULL;
        struct order order;

        ORDER_AFTER_RECEIVE();
        if (frame == NULL || zframe_size(frame) != sizeof(order)) {
            if (job->cancelled == ERROR_NONE) /* "$TERM" */
                job->cancelled = ERROR_UNAVAILABLE;
            job->dismissed = job->worker->gone = true;
            zmsg_destroy(&msg);
            continue;
        }
        memcpy(&order, zframe_data(frame), sizeof(order));
        zmsg_destroy(&msg);
        if (order.kind == ORDER_MESSAGE)
            take_message(job, order.message);
        else if (order.kind == ORDER_DISMISS)
            job->dismissed = true;
        else if (job->finally)
            job->held = order.why;
        else if (job->cancelled == ERROR_NONE)
            job->cancelled = order.why;
    }
}

int told_to_end(struct job *job, struct error *err)
{
    if (job->cancelled == ERROR_NONE && job->context.deadline != 0 && clock_monotonic() >= job->context.deadline)
        job->cancelled = ERROR_DEADLINE_EXCEEDED;
    if (job->cancelled == ERROR_NONE)
        return 0;
    return error_set(err, job->cancelled, "%s",
                     job->cancelled == ERROR_CANCELLED     ? "cancelled by the caller"
                     : job->cancelled == ERROR_UNAVAILABLE ? "the daemon is stopping"
                                                           : "the request's time is up");
}

int job_check(struct job *job, struct error *err)
{
    take_orders(job);
    return told_to_end(job, err);
}

/* ---- news, up the pipe ------------------------------------------------------------- */

/* [kind][stream][flag][body]: stream and flag are empty but for data; flag is `e` for the end of the
   stream, `@NUMBER` for a position of it */
static void flagged_send(struct job *job, const char *kind, const char *stream, const char *flag, zframe_t *body)
{
    zmsg_t *msg = zmsg_new();

    zmsg_addstr(msg, kind);
    zmsg_addstr(msg, stream ? stream : "");
    zmsg_addstr(msg, flag);
    zmsg_append(msg, &body);
    ORDER_BEFORE_SEND();
    zmsg_send(&msg, job->pipe);
}

void news_send(struct job *job, const char *kind, const char *stream, bool end, zframe_t *body)
{
    flagged_send(job, kind, stream, end ? "e" : "", body);
}

void news_send_message(struct job *job, const char *kind, const char *stream, bool end, zmq_msg_t *body)
{
    void *pipe = zsock_resolve(job->pipe);
    const char *flag = end ? "e" : "";

    stream = stream ? stream : "";
    ORDER_BEFORE_SEND();
    if (zmq_send(pipe, kind, strlen(kind), ZMQ_SNDMORE) < 0 || zmq_send(pipe, stream, strlen(stream), ZMQ_SNDMORE) < 0 ||
        zmq_send(pipe, flag, strlen(flag), ZMQ_SNDMORE) < 0 || zmq_msg_send(body, pipe, 0) < 0)
        zmq_msg_close(body);
}

void job_report(struct job *job, const struct progress *progress)
{
    int64_t now = clock_monotonic();
    char what[200];

    snprintf(what, sizeof(what), "%s %s", progress->stage, progress->item ? progress->item : "");
    if (streq(what, job->reported_what) && now - job->reported < PROGRESS_NS &&
        !(progress->has_total && progress->done == progress->total))
        return;
    memcpy(job->reported_what, what, sizeof(what));
    job->reported = now;
    news_send(job, "progress", NULL, false, wire_frame(progress_record(), progress));
}

void job_nudge(struct job *job)
{
    news_send(job, "nudge", NULL, false, zframe_new(NULL, 0));
}

void job_spend(struct job *job, size_t size)
{
    job->credit -= size < job->credit ? size : job->credit;
}

void job_send(struct job *job, const char *stream, const void *bytes, size_t size, bool end)
{
    job_spend(job, size);
    news_send(job, "data", stream, end, zframe_new(bytes, size));
}

void job_allow(struct job *job, uint64_t bytes)
{
    const struct credit credit = { .count = bytes };

    news_send(job, "credit", NULL, false, wire_frame(credit_record(), &credit));
}

uint64_t job_credit(const struct job *job)
{
    return job->credit;
}

void job_send_at(struct job *job, const char *stream, uint64_t at)
{
    char flag[24];

    snprintf(flag, sizeof(flag), "@%llu", (unsigned long long)at);
    flagged_send(job, "data", stream, flag, zframe_new(NULL, 0));
}

int job_send_credited(struct job *job, const char *stream, const void *bytes, size_t size, bool end,
                      struct error *err)
{
    while (job->credit == 0)
        if (job_wait(job, -1, JOB_CREDIT, -1, err) < 0)
            return -1;
    job_send(job, stream, bytes, size, end);
    return 0;
}

/* ---- waiting ----------------------------------------------------------------------- */

int64_t job_time_left_ms(const struct job *job)
{
    int64_t left;

    if (job->context.deadline == 0)
        return -1;
    left = (job->context.deadline - clock_monotonic()) / 1000000;
    return left > 0 ? left : 0;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms) /* -1: never */
{
    return a_ms < 0 ? b_ms : b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

static int is_there(const struct job *job, int wanted)
{
    return (wanted & JOB_INPUT && job->first != NULL ? JOB_INPUT : 0) |
           (wanted & JOB_CREDIT && job->credit > 0 ? JOB_CREDIT : 0);
}

int job_wait(struct job *job, int fd, int wanted, int64_t timeout_ms, struct error *err)
{
    int64_t until = timeout_ms < 0 ? 0 : clock_monotonic() + timeout_ms * 1000000;

    for (;;) {
        zmq_pollitem_t items[2] = {
            { .socket = zsock_resolve(job->pipe), .events = ZMQ_POLLIN },
            { .fd = fd, .events = ZMQ_POLLIN },
        };
        int there, count = fd >= 0 && wanted & JOB_FD ? 2 : 1;
        int64_t left = timeout_ms < 0 ? -1 : (until - clock_monotonic() + 999999) / 1000000;

        if (job_check(job, err) < 0)
            return -1;
        there = is_there(job, wanted);
        left = left < 0 && timeout_ms >= 0 ? 0 : sooner(left, job_time_left_ms(job));
        if (zmq_poll(items, count, there ? 0 : (long)left) > 0 && count == 2 && items[1].revents != 0)
            there |= JOB_FD;
        if (there != 0)
            return there;
        if (timeout_ms >= 0 && clock_monotonic() >= until)
            return job_check(job, err);
    }
}

struct chunk *job_take(struct job *job)
{
    struct chunk *chunk = job->first;

    if (chunk == NULL)
        return NULL;
    job->first = chunk->next;
    if (job->first == NULL)
        job->last = &job->first;
    return chunk;
}

void chunk_free(struct chunk **chunk)
{
    if (*chunk == NULL)
        return;
    message_free(&(*chunk)->message);
    free(*chunk);
    *chunk = NULL;
}

/* ---- life -------------------------------------------------------------------------- */

static void job_close(struct job *job)
{
    for (struct chunk *chunk; (chunk = job_take(job)) != NULL;)
        chunk_free(&chunk);
    job_buffers_close(job);
    arena_free(job->arena);
}

/* Messages for it may be on their way down the pipe until the result has been read. */
static void wait_to_be_dismissed(struct job *job)
{
    zmq_pollitem_t item = { .socket = zsock_resolve(job->pipe), .events = ZMQ_POLLIN };

    take_orders(job);
    while (!job->dismissed) {
        zmq_poll(&item, 1, -1);
        take_orders(job);
    }
}

void job_live(struct worker *worker, const struct birth *of)
{
    struct birth birth = *of;
    struct job job = { .worker = worker, .pipe = worker->pipe, .context = birth.context };
    struct error err = { 0 };
    void *out = NULL;

    job.last = &job.first;
    job.arena = arena_new();
    if (birth.reply != NULL)
        out = arena_alloc(job.arena, birth.reply->size);
    if (birth.body(&job, birth.in, out, &err) < 0) {
        struct failure failure = wire_failure(&err, birth.context.actor);

        news_send(&job, "error", NULL, false, wire_frame(failure_record(), &failure));
    } else {
        news_send(&job, "reply", NULL, false,
                  birth.reply != NULL ? wire_frame(birth.reply, out) : zframe_new(NULL, 0));
    }
    wait_to_be_dismissed(&job);
    job_close(&job);
}

/* ---- small things ------------------------------------------------------------------- */

struct arena *job_arena(struct job *job)
{
    return job->arena;
}

const char *job_namespace(const struct job *job)
{
    return job->context.namespace;
}

const char *job_lease(const struct job *job)
{
    return job->context.lease[0] ? job->context.lease : NULL;
}

const char *job_actor(const struct job *job)
{
    return job->context.actor;
}

void job_enter(struct job *job, const char *namespace)
{
    snprintf(job->context.namespace, sizeof(job->context.namespace), "%s", namespace);
}

void job_hold(struct job *job, const char *lease)
{
    snprintf(job->context.lease, sizeof(job->context.lease), "%s", lease ? lease : "");
}

void job_relax(struct job *job, bool relaxed)
{
    job->relaxed = relaxed;
}

void *job_self(const struct job *job)
{
    return job->context.self;
}

void job_new_id(char id[33])
{
    random_hex(id, 32);
}
