/* A job asks services: one question at a time, on a DEALER socket per service. */
#include "actors/base/job_private.h"
#include "actors/base/log.h"
#include "platform/platform.h"

static void peer_open(struct peer *peer)
{
    peer->era = actors_era();
    peer->socket = zsock_new(ZMQ_DEALER);
    zsock_set_sndtimeo(peer->socket, 0);
    zsock_set_linger(peer->socket, 0);
    zsock_connect(peer->socket, "inproc://%s", peer->name);
}

static struct peer *peer_of(struct job *job, const char *op_name)
{
    size_t length = strcspn(op_name, ".");
    struct peer *peer = job->worker->peers;

    for (; peer < job->worker->peers + PEERS_MAX && peer->socket != NULL; peer++)
        if (strlen(peer->name) == length && memcmp(peer->name, op_name, length) == 0) {
            if (peer->era == actors_era())
                return peer;
            zsock_destroy(&peer->socket); /* the actor may be another one by now */
            peer_open(peer);
            return peer;
        }
    if (peer == job->worker->peers + PEERS_MAX)
        abort(); /* there are fewer actors than this */
    snprintf(peer->name, sizeof(peer->name), "%.*s", (int)length, op_name);
    peer->stats = stats_of(peer->name);
    peer_open(peer);
    return peer;
}

static int ask(struct job *job, struct peer *peer, const char *kind, const struct op *op, const void *in,
               struct error *err)
{
    int64_t left = job_time_left_ms(job);
    struct envelope envelope = {
        .version = PROTOCOL_VERSION,
        .id = job->worker->next_id,
        .kind = kind,
        .op = op ? op->name : NULL,
        .namespace = op ? job->context.namespace : NULL,
        .lease = op && job->context.lease[0] ? job->context.lease : NULL,
        .inside = true,
        .has_inside = op != NULL,
        .relaxed = true,
        .has_relaxed = op != NULL && job->relaxed,
        .ttl_ms = left > 0 ? (uint64_t)left : 0,
        .has_ttl_ms = op && left >= 0,
    };
    const struct nothing nothing = { 0 };
    zframe_t *body = wire_frame(op ? op->request() : nothing_record(), op ? in : &nothing);

    if (atomic_fetch_add(&peer->stats->queued, 1) >= ACTOR_QUEUE_MAX || wire_send(peer->socket, NULL, &envelope, &body) < 0) {
        zframe_destroy(&body);
        atomic_fetch_sub(&peer->stats->queued, 1);
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: the %s actor's mailbox is full", op ? op->name : kind, peer->name);
    }
    return 0;
}

static int take_answer(struct job *job, const struct op *op, struct message *message, void *out, struct error *err)
{
    struct failure failure;

    if (streq(message->envelope.kind, "reply"))
        return wire_unframe(message->body, op->reply(), RECORD_LENIENT, out, job->arena, err);
    if (wire_unframe(message->body, failure_record(), RECORD_LENIENT, &failure, message->arena, err) == 0)
        wire_error(&failure, err);
    return -1;
}

/* 1: this was the final answer and `result` is set; 0: go on waiting. */
static int take_from_peer(struct job *job, struct peer *peer, const struct op *op, void *out, int *result,
                          struct error *err)
{
    struct message *message = message_receive(peer->socket, false, err);
    int final = 0;

    if (message == NULL)
        return 0;
    if (message->envelope.id == job->worker->next_id) {
        if (streq(message->envelope.kind, "progress") && message->body != NULL) {
            news_send(job, "progress", NULL, false, zframe_dup(message->body));
        } else if (streq(message->envelope.kind, "reply") || streq(message->envelope.kind, "error")) {
            *result = take_answer(job, op, message, out, err);
            final = 1;
        }
    }
    message_free(&message);
    return final;
}

static int wait_for_answer(struct job *job, struct peer *peer, const struct op *op, void *out, struct error *err)
{
    int64_t given_up = 0; /* when waiting ends, after a cancel */
    int result = -1;

    for (;;) {
        zmq_pollitem_t items[2] = {
            { .socket = zsock_resolve(job->pipe), .events = ZMQ_POLLIN },
            { .socket = zsock_resolve(peer->socket), .events = ZMQ_POLLIN },
        };

        /* Asked again after a cancel: the service ends its own work first, then answers. */
        zmq_poll(items, 2, given_up ? CANCEL_GRACE_MS : (long)job_time_left_ms(job));
        if (items[1].revents && take_from_peer(job, peer, op, out, &result, err)) {
            if (result < 0 && err->code == ERROR_CANCELLED && given_up != 0)
                return told_to_end(job, err); /* by us: why is what counts */
            return result;
        }
        if (given_up == 0 && job_check(job, err) < 0) {
            given_up = clock_monotonic() + (int64_t)CANCEL_GRACE_MS * 1000000;
            if (ask(job, peer, "cancel", NULL, NULL, err) < 0)
                return -1;
        }
        if (given_up != 0 && clock_monotonic() > given_up)
            return told_to_end(job, err);
    }
}

int call(struct job *job, const struct op *op, const void *in, void *out, struct error *err)
{
    struct peer *peer = peer_of(job, op->name);
    struct arena *scratch = NULL;
    int result;

    if (job_check(job, err) < 0)
        return -1;
    job->worker->next_id++;
    if (out == NULL) {
        scratch = arena_new();
        out = arena_alloc(scratch, op->reply()->size);
    }
    result = ask(job, peer, "request", op, in, err);
    if (result == 0)
        result = wait_for_answer(job, peer, op, out, err);
    arena_free(scratch);
    return result;
}

void job_finish(struct job *job, int64_t ms)
{
    take_orders(job);
    job->cancelled = ERROR_NONE;
    job->context.deadline = clock_monotonic() + ms * 1000000;
}

void call_finally(struct job *job, const struct op *op, const void *in)
{
    enum error_code cancelled;
    int64_t deadline = job->context.deadline;
    struct error err = { 0 };

    take_orders(job);
    cancelled = job->cancelled;
    job->finally = true; /* an order that comes from here on waits */
    job_finish(job, CANCEL_GRACE_MS);
    if (call(job, op, in, NULL, &err) < 0 && err.code != ERROR_UNAVAILABLE) /* it stops, too */
        log_warn(job->context.actor, "%s: %s", op->name, err.text);
    job->finally = false;
    job->context.deadline = deadline;
    if (job->cancelled == ERROR_NONE)
        job->cancelled = cancelled != ERROR_NONE ? cancelled : job->held;
    job->held = ERROR_NONE;
}
