/*
 * A job's thread and its pipe to the one who started it, an actor's loop or
 * another job.  Down the pipe go orders: cancel, and what the client sends; up go
 * progress, stream data and, last, one result.  Whoever holds the upper end gives
 * the result on and joins the thread.
 */
#include "actors/base/job.h"

#include "actors/base/log.h"
#include "actors/base/request.h"
#include "actors/base/thread_order.h"
#include "platform/platform.h"

#define PEERS_MAX       16
#define PROGRESS_NS     100000000
#define CANCEL_GRACE_MS 10000 /* a service that answers later than this after a cancel is given up */

struct peer {
    char name[24];
    zsock_t *socket;
    struct stats *stats;
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
    zsock_t *pipe;
    struct context context;
    struct arena *arena;
    struct peer peers[PEERS_MAX];
    uint64_t next_id;
    enum error_code cancelled;
    bool dismissed; /* whoever started it has its result, or goes away */
    uint64_t credit;
    struct chunk *first, **last;
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

/* ---- orders, down the pipe ---------------------------------------------------------- */

enum order_kind { ORDER_CANCEL, ORDER_MESSAGE };

struct order {
    enum order_kind kind;
    enum error_code why;
    struct message *message;
};

static void order_send(zactor_t *thread, const struct order *order)
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

static void take_orders(struct job *job)
{
    while (zsock_events(job->pipe) & ZMQ_POLLIN) {
        zmsg_t *msg = zmsg_recv(job->pipe);
        zframe_t *frame = msg ? zmsg_first(msg) : NULL;
        struct order order;

        ORDER_AFTER_RECEIVE();
        if (frame == NULL || zframe_size(frame) != sizeof(order)) {
            if (job->cancelled == ERROR_NONE) /* "$TERM" */
                job->cancelled = ERROR_UNAVAILABLE;
            job->dismissed = true;
            zmsg_destroy(&msg);
            continue;
        }
        memcpy(&order, zframe_data(frame), sizeof(order));
        zmsg_destroy(&msg);
        if (order.kind == ORDER_MESSAGE)
            take_message(job, order.message);
        else if (job->cancelled == ERROR_NONE)
            job->cancelled = order.why;
    }
}

static int told_to_end(struct job *job, struct error *err)
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

/* [kind][stream][flag][body]: stream and flag are empty but for data */
static void news_send(struct job *job, const char *kind, const char *stream, bool end, zframe_t *body)
{
    zmsg_t *msg = zmsg_new();

    zmsg_addstr(msg, kind);
    zmsg_addstr(msg, stream ? stream : "");
    zmsg_addstr(msg, end ? "e" : "");
    zmsg_append(msg, &body);
    ORDER_BEFORE_SEND();
    zmsg_send(&msg, job->pipe);
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

void job_send(struct job *job, const char *stream, const void *bytes, size_t size, bool end)
{
    job->credit -= size < job->credit ? size : job->credit;
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

/* ---- asking services --------------------------------------------------------------- */

static struct peer *peer_of(struct job *job, const char *op_name)
{
    size_t length = strcspn(op_name, ".");
    struct peer *peer = job->peers;

    for (; peer < job->peers + PEERS_MAX && peer->socket != NULL; peer++)
        if (strlen(peer->name) == length && memcmp(peer->name, op_name, length) == 0)
            return peer;
    if (peer == job->peers + PEERS_MAX)
        abort(); /* there are fewer actors than this */
    snprintf(peer->name, sizeof(peer->name), "%.*s", (int)length, op_name);
    peer->socket = zsock_new(ZMQ_DEALER);
    peer->stats = stats_of(peer->name);
    zsock_set_sndtimeo(peer->socket, 0);
    zsock_set_linger(peer->socket, 0);
    zsock_connect(peer->socket, "inproc://%s", peer->name);
    return peer;
}

static int ask(struct job *job, struct peer *peer, const char *kind, const struct op *op, const void *in,
               struct error *err)
{
    int64_t left = job_time_left_ms(job);
    struct envelope envelope = {
        .version = PROTOCOL_VERSION,
        .id = job->next_id,
        .kind = kind,
        .op = op ? op->name : NULL,
        .namespace = op ? job->context.namespace : NULL,
        .lease = op && job->context.lease[0] ? job->context.lease : NULL,
        .inside = true,
        .has_inside = op != NULL,
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
    if (message->envelope.id == job->next_id) {
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
        if (items[1].revents && take_from_peer(job, peer, op, out, &result, err))
            return result;
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
    job->next_id++;
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
    job_finish(job, CANCEL_GRACE_MS);
    if (call(job, op, in, NULL, &err) < 0)
        log_warn(job->context.actor, "%s: %s", op->name, err.text);
    job->context.deadline = deadline;
    if (job->cancelled == ERROR_NONE)
        job->cancelled = cancelled;
}

/* ---- the thread -------------------------------------------------------------------- */

static void job_close(struct job *job)
{
    for (struct peer *peer = job->peers; peer < job->peers + PEERS_MAX; peer++)
        zsock_destroy(&peer->socket);
    for (struct chunk *chunk; (chunk = job_take(job)) != NULL;)
        chunk_free(&chunk);
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

static void job_thread(zsock_t *pipe, void *arg)
{
    struct birth birth = *(const struct birth *)arg;
    struct job job = { .pipe = pipe, .context = birth.context };
    struct error err = { 0 };
    void *out = NULL;

    ORDER_AFTER_RECEIVE();
    job.last = &job.first;
    job.arena = arena_new();
    zsock_signal(pipe, 0);
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
    ORDER_BEFORE_SEND();
}

static zactor_t *thread_start(struct birth *birth)
{
    zactor_t *thread;

    ORDER_BEFORE_SEND();
    thread = zactor_new(job_thread, birth);
    if (thread != NULL)
        zsock_set_sndhwm(zactor_sock(thread), 0);
    ORDER_AFTER_RECEIVE();
    return thread;
}

/* ---- jobs of a loop ---------------------------------------------------------------- */

static void handle_end(struct job_handle *handle)
{
    struct loop *loop = handle->loop;

    zloop_reader_end(loop->zloop, zactor_sock(handle->thread));
    zactor_destroy(&handle->thread);
    ORDER_AFTER_RECEIVE();
    loop->jobs--;
    atomic_store(&loop->stats->jobs, loop->jobs);
    for (struct job_handle **at = &loop->background; *at != NULL; at = &(*at)->next)
        if (*at == handle) {
            *at = handle->next;
            break;
        }
    free(handle->in);
    free(handle);
}

static void background_end(struct job_handle *handle, const char *kind, zframe_t *body)
{
    struct arena *arena = arena_new();
    struct error err = { 0 };
    struct failure failure;

    if (streq(kind, "error") &&
        wire_unframe(body, failure_record(), RECORD_LENIENT, &failure, arena, &err) == 0)
        wire_error(&failure, &err);
    if (handle->done != NULL)
        handle->done(handle->loop->self, handle->in, err.code != ERROR_NONE ? &err : NULL);
    else if (err.code != ERROR_NONE)
        log_warn(handle->loop->actor->name, "background job: %s", err.text);
    arena_free(arena);
}

static bool is_final(const char *kind)
{
    return streq(kind, "reply") || streq(kind, "error");
}

static int on_news(zloop_t *zloop, zsock_t *pipe, void *arg)
{
    struct job_handle *handle = arg;
    zmsg_t *msg = zmsg_recv(pipe);
    char kind[16], stream[32];
    zframe_t *body;
    bool end;

    (void)zloop;
    ORDER_AFTER_RECEIVE();
    if (msg == NULL || zmsg_size(msg) != 4) { /* the thread's farewell signal */
        zmsg_destroy(&msg);
        return 0;
    }
    snprintf(kind, sizeof(kind), "%.*s", (int)zframe_size(zmsg_first(msg)), (char *)zframe_data(zmsg_first(msg)));
    body = zmsg_next(msg);
    snprintf(stream, sizeof(stream), "%.*s", (int)zframe_size(body), (char *)zframe_data(body));
    end = zframe_size(zmsg_next(msg)) > 0;
    body = zmsg_last(msg);
    zmsg_remove(msg, body);
    if (!is_final(kind)) {
        if (handle->request != NULL)
            request_send(handle->request, kind, stream[0] ? stream : NULL, end, &body);
    } else if (handle->request != NULL) {
        struct request *request = handle->request;

        request->job = NULL;
        handle_end(handle);
        request_finish(request, kind, &body);
    } else {
        background_end(handle, kind, body);
        handle_end(handle);
    }
    zframe_destroy(&body);
    zmsg_destroy(&msg);
    return 0;
}

static int handle_start(struct job_handle *handle, struct error *err)
{
    struct loop *loop = handle->loop;

    handle->birth.context.self = loop->self;
    handle->birth.context.actor = loop->actor->name;
    handle->thread = thread_start(&handle->birth);
    if (handle->thread == NULL) {
        free(handle->in);
        free(handle);
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no thread for another job");
    }
    loop->jobs++;
    atomic_store(&loop->stats->jobs, loop->jobs);
    zloop_reader(loop->zloop, zactor_sock(handle->thread), on_news, handle);
    zloop_reader_set_tolerant(loop->zloop, zactor_sock(handle->thread));
    return 0;
}

static void context_set(struct context *context, const char *namespace, const char *lease, int64_t deadline)
{
    snprintf(context->namespace, sizeof(context->namespace), "%s", namespace);
    snprintf(context->lease, sizeof(context->lease), "%s", lease ? lease : "");
    context->deadline = deadline;
}

int request_run(struct request *request, job_body *body, struct error *err)
{
    return request_run_on(request, body, request->body, err);
}

int request_run_on(struct request *request, job_body *body, const void *in, struct error *err)
{
    struct job_handle *handle = zmalloc(sizeof(*handle));

    handle->loop = request->loop;
    handle->request = request;
    handle->birth.body = body;
    handle->birth.in = in;
    handle->birth.reply = request->route->op->reply();
    context_set(&handle->birth.context, request_namespace(request), request_lease(request), request->deadline);
    if (request->loop->stopping || request->cancelled != ERROR_NONE) {
        free(handle);
        return request->cancelled != ERROR_NONE
                   ? error_set(err, request->cancelled, "given up before its work began")
                   : error_set(err, ERROR_UNAVAILABLE, "the daemon is stopping");
    }
    if (handle_start(handle, err) < 0)
        return -1;
    request->job = handle;
    return 0;
}

int loop_run(struct loop *loop, const char *namespace, job_body *body, job_done *done, const void *in,
             size_t size, struct error *err)
{
    struct job_handle *handle = zmalloc(sizeof(*handle));

    handle->loop = loop;
    handle->done = done;
    handle->in = zmalloc(size + 1);
    if (size > 0)
        memcpy(handle->in, in, size);
    handle->birth.body = body;
    handle->birth.in = handle->in;
    context_set(&handle->birth.context, namespace ? namespace : "default", NULL, 0);
    if (loop->stopping) {
        free(handle->in);
        free(handle);
        return error_set(err, ERROR_UNAVAILABLE, "the daemon is stopping");
    }
    if (handle_start(handle, err) < 0)
        return -1;
    handle->next = loop->background;
    loop->background = handle;
    return 0;
}

void jobs_cancel_background(struct loop *loop)
{
    for (struct job_handle *handle = loop->background; handle != NULL; handle = handle->next)
        job_cancel(handle, ERROR_UNAVAILABLE);
}

void job_cancel(struct job_handle *job, enum error_code why)
{
    order_send(job->thread, &(struct order){ .kind = ORDER_CANCEL, .why = why });
}

void job_deliver(struct job_handle *job, struct message **message)
{
    order_send(job->thread, &(struct order){ .kind = ORDER_MESSAGE, .message = *message });
    *message = NULL;
}

/* ---- jobs of a job ----------------------------------------------------------------- */

struct member {
    zactor_t *thread;
    struct birth birth;
};

struct family {
    struct job *parent;
    struct member *members;
    size_t count;
    size_t started;
    size_t running;
    struct error first; /* failure */
};

static void family_cancel(struct family *family, enum error_code why)
{
    for (size_t i = 0; i < family->started; i++)
        if (family->members[i].thread != NULL)
            order_send(family->members[i].thread, &(struct order){ .kind = ORDER_CANCEL, .why = why });
}

static void member_news(struct family *family, struct member *member)
{
    zmsg_t *msg = zmsg_recv(zactor_sock(member->thread));
    zframe_t *kind = msg ? zmsg_first(msg) : NULL;
    struct arena *arena;
    struct failure failure;

    ORDER_AFTER_RECEIVE();
    if (msg != NULL && zmsg_size(msg) == 4 && zframe_streq(kind, "progress")) {
        zmsg_send(&msg, family->parent->pipe);
        return;
    }
    if (msg != NULL && zmsg_size(msg) == 4 && zframe_streq(kind, "error") && family->first.code == ERROR_NONE) {
        arena = arena_new();
        if (wire_unframe(zmsg_last(msg), failure_record(), RECORD_LENIENT, &failure, arena, &family->first) == 0)
            wire_error(&failure, &family->first);
        arena_free(arena);
        family_cancel(family, ERROR_CANCELLED);
    }
    if (msg != NULL && zmsg_size(msg) == 4 && (zframe_streq(kind, "error") || zframe_streq(kind, "reply"))) {
        zactor_destroy(&member->thread);
        ORDER_AFTER_RECEIVE();
        family->running--;
    }
    zmsg_destroy(&msg);
}

static void family_wait(struct family *family)
{
    zmq_pollitem_t *items = zmalloc((family->count + 1) * sizeof(*items));
    size_t *who = zmalloc((family->count + 1) * sizeof(*who));
    int count = 1;

    items[0] = (zmq_pollitem_t){ .socket = zsock_resolve(family->parent->pipe), .events = ZMQ_POLLIN };
    for (size_t i = 0; i < family->started; i++)
        if (family->members[i].thread != NULL) {
            who[count] = i;
            items[count++] = (zmq_pollitem_t){ .socket = zsock_resolve(family->members[i].thread), .events = ZMQ_POLLIN };
        }
    zmq_poll(items, count, family->first.code == ERROR_NONE ? (long)job_time_left_ms(family->parent) : -1);
    for (int i = 1; i < count; i++)
        if (items[i].revents != 0)
            member_news(family, &family->members[who[i]]);
    free(items);
    free(who);
    if (family->first.code == ERROR_NONE && job_check(family->parent, &family->first) < 0)
        family_cancel(family, family->first.code);
}

int job_each(struct job *job, job_body *body, void *items, size_t count, size_t item_size, unsigned at_once,
             struct error *err)
{
    struct family family = { .parent = job, .count = count };

    family.members = zmalloc((count + 1) * sizeof(*family.members));
    for (;;) {
        while (family.first.code == ERROR_NONE && family.started < count && family.running < at_once) {
            struct member *member = &family.members[family.started];

            member->birth = (struct birth){ body, (char *)items + family.started * item_size, NULL, job->context };
            member->thread = thread_start(&member->birth);
            if (member->thread == NULL) {
                error_set(&family.first, ERROR_RESOURCE_EXHAUSTED, "no thread for another job");
                family_cancel(&family, ERROR_CANCELLED);
                break;
            }
            family.started++;
            family.running++;
        }
        if (family.running == 0)
            break;
        family_wait(&family);
    }
    free(family.members);
    if (family.first.code == ERROR_NONE)
        return 0;
    *err = family.first;
    return -1;
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

void job_hold(struct job *job, const char *lease)
{
    snprintf(job->context.lease, sizeof(job->context.lease), "%s", lease ? lease : "");
}

void *job_self(const struct job *job)
{
    return job->context.self;
}

void job_new_id(char id[33])
{
    random_hex(id, 32);
}
