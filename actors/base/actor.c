/*
 * The loop.  The happy path is take -> find route -> unpack -> handle -> answer.
 * Possible failures (a malformed message, an unknown op, a handler that returns
 * -1) all end in request_fail(), so nothing is ever left without an answer.
 */
#include "actors/base/actor.h"

#include "actors/base/log.h"
#include "actors/base/request.h"
#include "actors/base/thread_order.h"
#include "platform/platform.h"

#define TTL_MAX_MS (1ull << 40) /* 34 years: whoever waits longer waits without a limit */

void actor_address(const char *op_name, char address[64])
{
    snprintf(address, 64, "inproc://%.*s", (int)strcspn(op_name, "."), op_name);
}

/* ---- what a handler may ask ------------------------------------------------- */

const void *request_body(const struct request *request)
{
    return request->body;
}

struct arena *request_arena(struct request *request)
{
    return request->message->arena;
}

const char *request_namespace(const struct request *request)
{
    const char *name = request->message->envelope.namespace;

    return name != NULL ? name : "default";
}

const char *request_lease(const struct request *request)
{
    return request->message->envelope.lease;
}

const struct op *request_op(const struct request *request)
{
    return request->route->op;
}

int64_t request_deadline(const struct request *request)
{
    return request->deadline;
}

bool request_is_relaxed(const struct request *request)
{
    const struct envelope *envelope = &request->message->envelope;

    return envelope->has_relaxed && envelope->relaxed;
}

bool request_is_inside(const struct request *request)
{
    const struct envelope *envelope = &request->message->envelope;

    return envelope->has_inside && envelope->inside;
}

void *request_self(const struct request *request)
{
    return request->loop->self;
}

struct loop *request_loop(const struct request *request)
{
    return request->loop;
}

bool loop_is_stopping(const struct loop *loop)
{
    return loop->stopping;
}

void *loop_self(const struct loop *loop)
{
    return loop->self;
}

const char *loop_name(const struct loop *loop)
{
    return loop->actor->name;
}

/* ---- answers ------------------------------------------------------------------ */

static void note_oldest(struct loop *loop)
{
    const struct request *oldest = loop->open_last;

    while (oldest != NULL && (oldest->job != NULL || oldest->gone != NULL))
        oldest = oldest->newer; /* in work elsewhere, or waiting by its nature */
    atomic_store(&loop->stats->oldest, oldest != NULL ? oldest->arrived : 0);
}

static void request_open(struct request *request)
{
    struct loop *loop = request->loop;

    request->older = loop->open;
    if (loop->open != NULL)
        loop->open->newer = request;
    else
        loop->open_last = request;
    loop->open = request;
    atomic_fetch_add(&loop->stats->open, 1);
}

static void request_free(struct request *request)
{
    struct loop *loop = request->loop;

    if (request->timer >= 0)
        loop_timer_end(loop, request->timer);
    if (request->newer != NULL)
        request->newer->older = request->older;
    else
        loop->open = request->older;
    if (request->older != NULL)
        request->older->newer = request->newer;
    else
        loop->open_last = request->newer;
    atomic_fetch_sub(&loop->stats->open, 1);
    message_free(&request->message);
    free(request);
    note_oldest(loop);
}

void request_send_flagged(struct request *request, const char *kind, const char *stream, const char *flag,
                          zframe_t **body)
{
    struct envelope envelope = {
        .version = PROTOCOL_VERSION,
        .id = request->message->envelope.id,
        .kind = kind,
        .stream = stream,
        .end = flag[0] == 'e',
        .has_end = flag[0] == 'e',
        .at = flag[0] == '@' ? strtoull(flag + 1, NULL, 10) : 0,
        .has_at = flag[0] == '@',
    };

    /* A caller that went away gets nothing: nobody waits for it. */
    if (wire_send(request->loop->inbox, request->message->caller, &envelope, body) < 0)
        log_debug(request->loop->actor->name, "%s: caller of %s is gone", kind,
                  request->route ? request->route->op->name : "a request");
}

void request_send(struct request *request, const char *kind, zframe_t **body)
{
    request_send_flagged(request, kind, NULL, "", body);
}

void request_finish(struct request *request, const char *kind, zframe_t **body)
{
    if (request->ended != NULL) /* before the answer: who hears it finds things let go of */
        request->ended(request->loop->self, request, request->ended_arg);
    request_send(request, kind, body);
    request_free(request);
}

int request_reply(struct request *request, const void *reply)
{
    zframe_t *body = wire_frame(request->route->op->reply(), reply);

    request_finish(request, "reply", &body);
    return 0;
}

void request_fail(struct request *request, const struct error *err)
{
    struct failure failure = wire_failure(err, request->loop->actor->name);
    zframe_t *body = wire_frame(failure_record(), &failure);

    request_finish(request, "error", &body);
}

int request_item(struct request *request, const void *item, struct error *err)
{
    zframe_t *body;

    if (request->credit == 0)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no credit for another item");
    request->credit--;
    body = wire_frame(request->route->op->item(), item);
    request_send(request, "item", &body);
    return 0;
}

void request_progress(struct request *request, const struct progress *progress)
{
    zframe_t *body = wire_frame(progress_record(), progress);

    request_send(request, "progress", &body);
}

int request_keep(struct request *request, request_gone *gone, void *arg)
{
    request->gone = gone;
    request->gone_arg = arg;
    return 0;
}

void request_on_credit(struct request *request, request_more *more)
{
    request->more = more;
}

void request_on_end(struct request *request, request_gone *ended, void *arg)
{
    request->ended = ended;
    request->ended_arg = arg;
}

/* ---- cancelling --------------------------------------------------------------- */

static void give_up(struct request *request, enum error_code why)
{
    struct error err = { 0 };

    if (request->cancelled != ERROR_NONE)
        return;
    request->cancelled = why;
    if (request->job != NULL) {
        job_cancel(request->job, why); /* the job answers */
        return;
    }
    if (request->write != NULL)
        return; /* it is on its way to the disk; its answer comes */
    if (request->gone != NULL)
        request->gone(request->loop->self, request, request->gone_arg);
    error_set(&err, why, "%s: %s", request->route->op->name,
              why == ERROR_CANCELLED ? "cancelled by the caller" : "its time is up");
    request_fail(request, &err);
}

static void on_deadline(void *self, void *arg)
{
    struct request *request = arg;

    (void)self;
    request->timer = -1;
    give_up(request, ERROR_DEADLINE_EXCEEDED);
}

static struct request *find_open(struct loop *loop, const struct message *message)
{
    for (struct request *request = loop->open; request != NULL; request = request->older)
        if (request->message->envelope.id == message->envelope.id &&
            zframe_eq(request->message->caller, message->caller))
            return request;
    return NULL;
}

static void take_credit(struct request *request, struct message **message)
{
    struct credit credit = { 0 };
    struct error err;

    if (wire_unframe((*message)->body, credit_record(), RECORD_LENIENT, &credit, (*message)->arena, &err) < 0)
        return;
    if (credit.count > UINT32_MAX)
        credit.count = UINT32_MAX;
    request->credit += credit.count;
    if (request->more != NULL)
        request->more(request->loop->self, request, request->gone_arg);
}

/* cancel, credit and data belong to a request that is open here, or to nothing any more. */
static void take_follow_up(struct loop *loop, struct message **message)
{
    struct request *request = find_open(loop, *message);
    const char *kind = (*message)->envelope.kind;

    if (request == NULL)
        return;
    if (streq(kind, "cancel"))
        give_up(request, ERROR_CANCELLED);
    else if (request->job != NULL)
        job_deliver(request->job, message);
    else if (streq(kind, "credit"))
        take_credit(request, message);
}

/* ---- taking requests ------------------------------------------------------------ */

static const struct route *find_route(const struct actor *actor, const char *op)
{
    for (const struct route *route = actor->routes; route->op != NULL; route++)
        if (op != NULL && streq(route->op->name, op))
            return route;
    return NULL;
}

static int unpack_request(struct request *request, struct error *err)
{
    const struct envelope *envelope = &request->message->envelope;
    const struct record *body;

    request->route = find_route(request->loop->actor, envelope->op);
    if (request->route == NULL)
        return error_set(err, ERROR_UNIMPLEMENTED, "there is no operation '%.80s'", envelope->op ? envelope->op : "");
    body = request->route->op->request();
    request->body = arena_alloc(request->message->arena, body->size);
    if (wire_unframe(request->message->body, body, RECORD_STRICT, request->body, request->message->arena, err) < 0)
        return -1;
    if (request->loop->stopping)
        return error_set(err, ERROR_UNAVAILABLE, "the daemon is stopping");
    if (envelope->has_ttl_ms && envelope->ttl_ms < TTL_MAX_MS) {
        request->deadline = clock_monotonic() + (int64_t)envelope->ttl_ms * 1000000;
        request->timer = loop_timer(request->loop, envelope->ttl_ms, 1, on_deadline, request);
    }
    return 0;
}

static void handle(struct request *request)
{
    struct loop *loop = request->loop;
    struct error err = { 0 };
    int64_t before = clock_monotonic();
    const char *op;
    uint64_t took_us;

    request_open(request);
    if (unpack_request(request, &err) < 0) {
        static const struct op unknown = { .name = "?" };
        static const struct route none = { &unknown, NULL };

        if (request->route == NULL)
            request->route = &none;
        request_fail(request, &err);
        return;
    }
    op = request->route->op->name;
    atomic_store(&loop->stats->handler_since, before);
    if (request->route->handle(loop->self, request, &err) < 0)
        request_fail(request, &err);
    atomic_store(&loop->stats->handler_since, 0);
    took_us = (uint64_t)(clock_monotonic() - before) / 1000;
    if (took_us > atomic_load(&loop->stats->slowest_us)) {
        atomic_store(&loop->stats->slowest_us, took_us);
        atomic_store(&loop->stats->slowest_op, op);
    }
    if (took_us > 50000)
        log_debug(loop->actor->name, "%s took %llu ms in its handler", op, (unsigned long long)took_us / 1000);
    note_oldest(loop);
}

/* The writer's word that a write is committed: one frame behind the caller's, a pointer.  It comes
   the same way as requests, because every socket more is looked at in each turn of the loop. */
static bool take_committed(struct loop *loop, zmsg_t **frames)
{
    struct write *write;
    zframe_t *frame = zmsg_last(*frames);

    if (zmsg_size(*frames) != 2 || zframe_size(frame) != sizeof(write))
        return false;
    memcpy(&write, zframe_data(frame), sizeof(write));
    zmsg_destroy(frames);
    write_finish(loop, write);
    return true;
}

static void take_message(struct loop *loop)
{
    struct error err = { 0 };
    zmsg_t *frames = zmsg_recv(loop->inbox);
    struct message *message;
    struct request *request;

    ORDER_AFTER_RECEIVE();
    if (frames == NULL || take_committed(loop, &frames))
        return;
    message = message_of(frames, true, &err);
    atomic_fetch_sub(&loop->stats->queued, 1);
    if (streq(message->envelope.kind, "request")) {
        atomic_fetch_add(&loop->stats->handled, 1);
        request = zmalloc(sizeof(*request));
        *request = (struct request){ .loop = loop, .message = message, .arrived = clock_monotonic(), .timer = -1 };
        handle(request);
        return;
    }
    if (message->envelope.kind[0] != '\0')
        take_follow_up(loop, &message);
    else
        log_warn(loop->actor->name, "dropped a malformed message: %s", err.text);
    message_free(&message);
}

static int on_inbox(zloop_t *zloop, zsock_t *inbox, void *arg)
{
    struct loop *loop = arg;

    (void)zloop;
    /* One at a time would poll before each; a burst is taken up to a bound, so that
       timers and committed writes get their turn. */
    for (int i = 0; i < 64 && (zsock_events(inbox) & ZMQ_POLLIN); i++)
        take_message(loop);
    return 0;
}

static int on_order(zloop_t *zloop, zsock_t *pipe, void *arg)
{
    char *order = zstr_recv(pipe);
    bool stop = order == NULL || streq(order, "$TERM");

    (void)zloop, (void)arg;
    zstr_free(&order);
    return stop ? -1 : 0;
}

/* ---- life ------------------------------------------------------------------------ */

static atomic_uint era;

unsigned actors_era(void)
{
    return atomic_load(&era);
}

struct birth {
    const struct actor *actor;
    void *self;
    struct error *err;
    int result;
};

static int loop_open(struct loop *loop, zsock_t *pipe, struct error *err)
{
    const char *name = loop->actor->name;

    loop->inbox = zsock_new(ZMQ_ROUTER);
    loop->zloop = zloop_new();
    loop->stats = stats_of(name);
    zloop_set_nonstop(loop->zloop, true);
    zsock_set_router_mandatory(loop->inbox, 1); /* a vanished caller is an error, not silence */
    zsock_set_sndtimeo(loop->inbox, 0);         /* a full mailbox never blocks an actor */
    zsock_set_sndhwm(loop->inbox, 0);
    zsock_set_rcvhwm(loop->inbox, 0);           /* senders are held back by stats->queued */
    if (zsock_bind(loop->inbox, "inproc://%s", name) < 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "an actor named %s runs already", name);
    atomic_store(&loop->stats->queued, 0); /* of an earlier actor of that name */
    zloop_reader(loop->zloop, pipe, on_order, loop);
    zloop_reader(loop->zloop, loop->inbox, on_inbox, loop);
    if (loop->actor->start != NULL)
        return loop->actor->start(loop->self, loop, err);
    return 0;
}

/* Answering one may end others (an actor that lets all of a kind go): begin again each time. */
static void end_kept(struct loop *loop)
{
    struct request *request = loop->open;
    struct error err = { 0 };

    while (request != NULL) {
        if (request->job != NULL || request->write != NULL) {
            request = request->older;
            continue;
        }
        error_set(&err, ERROR_UNAVAILABLE, "the daemon is stopping");
        if (request->gone != NULL)
            request->gone(loop->self, request, request->gone_arg);
        request_fail(request, &err);
        request = loop->open;
    }
}

/* Requests that are still open hear that the daemon stops; jobs are waited for. */
static void loop_drain(struct loop *loop)
{
    loop->stopping = true;
    for (struct request *request = loop->open; request != NULL; request = request->older)
        if (request->job != NULL)
            job_cancel(request->job, ERROR_UNAVAILABLE);
    jobs_cancel_background(loop);
    end_kept(loop);
    while (loop->jobs + loop->writes > 0 && zloop_start(loop->zloop) == 0)
        ;
    end_kept(loop); /* a write that was on its way may have kept its request */
}

static void loop_close(struct loop *loop)
{
    crew_dismiss(loop);
    if (loop->actor->stop != NULL)
        loop->actor->stop(loop->self);
    zloop_destroy(&loop->zloop);
    watches_free(loop);
    zsock_unbind(loop->inbox, "inproc://%s", loop->actor->name); /* closing alone frees the name only later */
    atomic_fetch_add(&era, 1);
    zsock_destroy(&loop->inbox);
    zsock_destroy(&loop->writer);
}

static int on_drained(zloop_t *zloop, int timer, void *arg)
{
    const struct loop *loop = arg;

    (void)zloop, (void)timer;
    return loop->jobs + loop->writes == 0 ? -1 : 0;
}

static void actor_thread(zsock_t *pipe, void *arg)
{
    struct birth *birth = arg;
    struct loop loop = { .actor = birth->actor, .self = birth->self };
    int result;

    ORDER_AFTER_RECEIVE();
    thread_name(birth->actor->name);
    result = birth->result = loop_open(&loop, pipe, birth->err);
    ORDER_BEFORE_SEND(); /* `birth` belongs to the starting thread again */
    if (result == 0) {
        zsock_signal(pipe, 0);
        zloop_start(loop.zloop);
        zloop_reader_end(loop.zloop, pipe);
        zloop_timer(loop.zloop, 10, 0, on_drained, &loop);
        loop_drain(&loop);
    } else {
        zsock_signal(pipe, 1);
    }
    loop_close(&loop);
    ORDER_BEFORE_SEND();
}

zactor_t *actor_start(const struct actor *actor, void *self, struct error *err)
{
    struct birth birth = { .actor = actor, .self = self, .err = err };
    zactor_t *thread;

    ORDER_BEFORE_SEND();
    thread = zactor_new(actor_thread, &birth);
    ORDER_AFTER_RECEIVE();
    if (thread == NULL)
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "cannot start a thread for %s", actor->name);
    else if (birth.result < 0)
        actor_stop(&thread);
    return thread;
}

void actor_stop(zactor_t **actor)
{
    ORDER_BEFORE_SEND();
    zactor_destroy(actor);
    ORDER_AFTER_RECEIVE();
}
