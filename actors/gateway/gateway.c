/*
 * The happy path of a request: envelope sane -> op known -> limits -> forward; of an
 * answer: find who asked -> put the caller's id back -> send.  Possible failures are
 * answered here with an error; a client that cannot be answered (gone, or its queue
 * is full) loses its session and all it had asked for is cancelled.
 */
#include "actors/gateway/gateway.h"

#include <stdatomic.h>

#include "actors/base/actor.h"
#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/base/thread_order.h"
#include "actors/base/wire.h"
#include "actors/gateway/session.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define SERVICES_MAX  16
#define PING_EACH_MS  2000
#define LOST_AFTER_MS 12000
#define QUEUE_LENGTH  4000 /* messages towards one client; stream data is held back by credit long before */

struct service {
    const char *name;
    zframe_t *address; /* on `back` */
    struct stats *stats;
};

struct gateway {
    const struct gateway_config *config;
    zsock_t *front; /* clients */
    zsock_t *back;  /* all services: each socket more is looked at in every turn of the loop */
    struct service services[SERVICES_MAX];
    int service_count;
    struct sessions sessions;
    zloop_t *zloop;
    struct arena *arena; /* of the message in work */
    int result;
    struct error *err;
};

static atomic_uint client_count;

unsigned gateway_clients(void)
{
    return atomic_load(&client_count);
}

/* ---- towards clients ------------------------------------------------------------- */

static void cancel_forward(struct gateway *gateway, struct forward *forward)
{
    const struct envelope envelope = { .version = PROTOCOL_VERSION, .id = forward_id(forward), .kind = "cancel" };
    const struct nothing nothing = { 0 };
    zframe_t *body = wire_frame(nothing_record(), &nothing);
    struct service *service = &gateway->services[forward->service];

    atomic_fetch_add(&service->stats->queued, 1);
    wire_send(gateway->back, service->address, &envelope, &body);
}

static void session_lose(struct gateway *gateway, struct session *session, const char *why)
{
    if (session->open > 0)
        log_info("gateway", "client lost (%s): %u requests cancelled", why, session->open);
    for (struct forward *forward = session->first; forward != NULL; forward = forward->next)
        cancel_forward(gateway, forward);
    session_drop(&gateway->sessions, session);
    atomic_store(&client_count, (unsigned)zhashx_size(gateway->sessions.by_peer));
}

/* Takes the body.  -1: the client is not there any more, or does not read. */
static int send_to_client(struct gateway *gateway, struct session *session, const struct envelope *envelope,
                          zframe_t **body)
{
    zframe_t *peer = session->peer, *head = wire_frame(envelope_record(), envelope), *empty;
    int result;

    ORDER_BEFORE_SEND();
    result = zframe_send(&peer, gateway->front, ZFRAME_MORE | ZFRAME_REUSE);
    if (result == 0 && session->delimited) {
        empty = zframe_new_empty();
        result = zframe_send(&empty, gateway->front, ZFRAME_MORE);
        zframe_destroy(&empty);
    }
    if (result == 0)
        result = zframe_send(&head, gateway->front, ZFRAME_MORE);
    if (result == 0)
        result = zframe_send(body, gateway->front, 0);
    zframe_destroy(&head);
    zframe_destroy(body);
    return result;
}

static void refuse(struct gateway *gateway, struct session *session, uint64_t caller_id, const struct error *err)
{
    const struct envelope envelope = { .version = PROTOCOL_VERSION, .id = caller_id, .kind = "error" };
    struct failure failure = wire_failure(err, "gateway");
    zframe_t *body = wire_frame(failure_record(), &failure);

    if (send_to_client(gateway, session, &envelope, &body) < 0)
        session_lose(gateway, session, "cannot be answered");
}

static bool is_final(const char *kind)
{
    return streq(kind, "reply") || streq(kind, "error");
}

static void take_answer(struct gateway *gateway)
{
    struct error err = { 0 };
    struct message *message = message_receive(gateway->back, true, &err);
    struct forward *forward;
    struct session *session;
    zframe_t *body;

    if (message == NULL)
        return;
    forward = forward_of_id(&gateway->sessions, message->envelope.id);
    if (forward != NULL && message->body != NULL) {
        bool final = is_final(message->envelope.kind);

        session = forward->session;
        message->envelope.id = forward->caller_id;
        body = message->body;
        zmsg_remove(message->frames, body);
        if (final)
            forward_free(&gateway->sessions, forward);
        if (session->delimited && !final)
            zframe_destroy(&body); /* a REQ client takes one answer only */
        else if (send_to_client(gateway, session, &message->envelope, &body) < 0)
            session_lose(gateway, session, "gone, or it does not read");
    }
    message_free(&message);
}

/* ---- from clients ---------------------------------------------------------------- */

static int service_of(const struct gateway *gateway, const char *op)
{
    size_t length = strcspn(op, ".");

    for (int i = 0; i < gateway->service_count; i++)
        if (strlen(gateway->services[i].name) == length && memcmp(gateway->services[i].name, op, length) == 0)
            return i;
    return -1;
}

static bool is_identifier(const char *name)
{
    size_t length = strlen(name);
    bool after_separator = true;

    if (length == 0 || length > 76)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool separator = strchr("._-", name[i]) != NULL;

        if (separator ? after_separator : !isalnum((unsigned char)name[i]))
            return false;
        after_separator = separator;
    }
    return !after_separator;
}

static int admit(struct gateway *gateway, const struct session *session, const struct envelope *envelope,
                 int *service, struct error *err)
{
    const struct gateway_config *config = gateway->config;

    if (envelope->op == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "envelope.op is missing");
    if (schema_op_find(envelope->op) == NULL || (*service = service_of(gateway, envelope->op)) < 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "there is no operation '%.80s'", envelope->op);
    if (envelope->namespace != NULL && !is_identifier(envelope->namespace))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "namespace '%.80s' is not a name of 1 to 76 letters, digits and single . _ -",
                         envelope->namespace);
    if (envelope->lease != NULL && (strlen(envelope->lease) > 128 || envelope->lease[0] == '\0'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "envelope.lease is not a lease id of 1 to 128 characters");
    if (envelope->lease != NULL && lease_is_of_job(envelope->lease))
        return error_set(err, ERROR_INVALID_ARGUMENT, "envelope.lease %.40s: those with " JOB_LEASE " are the daemon's own",
                         envelope->lease);
    if (forward_of_caller(session, envelope->id) != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "request id %llu is in use by an open request",
                         (unsigned long long)envelope->id);
    if (session->open >= config->requests_per_client) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "this client has %u requests open, the limit", session->open);
        err->retry_ms = 100;
        return -1;
    }
    if (gateway->sessions.free == NULL ||
        atomic_load(&gateway->services[*service].stats->queued) >= ACTOR_QUEUE_MAX) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "the daemon is busy: too many requests are open");
        err->retry_ms = 200;
        return -1;
    }
    return 0;
}

/* Takes the body. */
static int forward_to(struct gateway *gateway, int index, const struct envelope *in, uint64_t id, zframe_t **body)
{
    struct service *service = &gateway->services[index];
    struct envelope envelope = *in;

    envelope.id = id;
    envelope.inside = envelope.has_inside = false;
    envelope.relaxed = envelope.has_relaxed = false;
    atomic_fetch_add(&service->stats->queued, 1);
    if (wire_send(gateway->back, service->address, &envelope, body) == 0)
        return 0;
    atomic_fetch_sub(&service->stats->queued, 1);
    return -1;
}

static void take_request(struct gateway *gateway, struct session *session, const struct envelope *envelope,
                         zframe_t **body)
{
    struct error err = { 0 };
    struct forward *forward;
    int service = -1;

    if (admit(gateway, session, envelope, &service, &err) < 0) {
        refuse(gateway, session, envelope->id, &err);
        return;
    }
    forward = forward_new(&gateway->sessions, session, envelope->id, service);
    if (forward_to(gateway, service, envelope, forward_id(forward), body) < 0) {
        log_error("gateway", "the mailbox of %s is full", gateway->services[service].name);
        forward_free(&gateway->sessions, forward);
        error_set(&err, ERROR_RESOURCE_EXHAUSTED, "the %s actor is busy", gateway->services[service].name);
        refuse(gateway, session, envelope->id, &err);
    }
}

/* A client that was taken for lost asks after a request that was cancelled then. */
static void tell_lost_request(struct gateway *gateway, struct session *session, uint64_t id)
{
    struct error err = { 0 };

    error_set(&err, ERROR_ABORTED, "request %llu is not open (any more): nothing was heard of this client for long",
              (unsigned long long)id);
    refuse(gateway, session, id, &err);
}

static void answer_ping(struct gateway *gateway, struct session *session, const struct envelope *ping)
{
    const struct envelope envelope = { .version = PROTOCOL_VERSION, .id = ping->id, .kind = "pong" };
    const struct nothing nothing = { 0 };
    zframe_t *body = wire_frame(nothing_record(), &nothing);

    if (send_to_client(gateway, session, &envelope, &body) < 0)
        session_lose(gateway, session, "gone");
}

static void take_envelope(struct gateway *gateway, struct session *session, const struct envelope *envelope,
                          zframe_t **body)
{
    struct error err = { 0 };
    struct forward *forward;

    if (envelope->version != PROTOCOL_VERSION) {
        error_set(&err, ERROR_UNIMPLEMENTED, "protocol version %llu is not spoken here, only %d",
                  (unsigned long long)envelope->version, PROTOCOL_VERSION);
        refuse(gateway, session, envelope->id, &err);
        return;
    }
    if (streq(envelope->kind, "request")) {
        take_request(gateway, session, envelope, body);
    } else if (streq(envelope->kind, "ping") && envelope->id != 0 &&
               forward_of_caller(session, envelope->id) == NULL) {
        tell_lost_request(gateway, session, envelope->id);
    } else if (streq(envelope->kind, "ping")) {
        answer_ping(gateway, session, envelope);
    } else if (streq(envelope->kind, "cancel") || streq(envelope->kind, "data") || streq(envelope->kind, "credit")) {
        forward = forward_of_caller(session, envelope->id);
        if (forward != NULL) /* else it is answered already, which the client will see */
            forward_to(gateway, forward->service, envelope, forward_id(forward), body);
    } else if (!streq(envelope->kind, "pong")) {
        error_set(&err, ERROR_INVALID_ARGUMENT, "a client cannot send messages of kind '%.40s'", envelope->kind);
        refuse(gateway, session, envelope->id, &err);
    }
}

static void take_client_message(struct gateway *gateway)
{
    zmsg_t *msg = zmsg_recv(gateway->front);
    zframe_t *peer, *head, *body;
    struct session *session;
    struct envelope envelope;
    struct error err = { 0 };

    ORDER_AFTER_RECEIVE();
    if (msg == NULL)
        return;
    peer = zmsg_pop(msg);
    head = zmsg_pop(msg);
    session = session_find(&gateway->sessions, peer);
    atomic_store(&client_count, (unsigned)zhashx_size(gateway->sessions.by_peer));
    if (head != NULL && zframe_size(head) == 0 && zmsg_size(msg) > 0) {
        session->delimited = true;
        zframe_destroy(&head);
        head = zmsg_pop(msg);
    }
    body = zmsg_pop(msg);
    gateway->arena = arena_new();
    if (wire_unframe(head, envelope_record(), RECORD_STRICT, &envelope, gateway->arena, &err) < 0)
        refuse(gateway, session, 0, &err);
    else if (body == NULL || zmsg_size(msg) > 0) {
        error_set(&err, ERROR_INVALID_ARGUMENT, "a message has two frames, envelope and body");
        refuse(gateway, session, envelope.id, &err);
    } else {
        take_envelope(gateway, session, &envelope, &body);
    }
    arena_drop(&gateway->arena);
    zframe_destroy(&peer);
    zframe_destroy(&head);
    zframe_destroy(&body);
    zmsg_destroy(&msg);
}

/* ---- heartbeats ------------------------------------------------------------------ */

static bool session_is_dead(struct gateway *gateway, struct session *session)
{
    const struct envelope envelope = { .version = PROTOCOL_VERSION, .id = 0, .kind = "ping" };
    const struct nothing nothing = { 0 };
    uint64_t limit_ms = gateway->config->lost_after_ms ? gateway->config->lost_after_ms : LOST_AFTER_MS;
    int64_t silent_ms = (clock_monotonic() - session->heard) / 1000000;
    zframe_t *body;

    /* A REQ client sends nothing while it waits, and must get nothing but its answer. */
    if (session->delimited)
        return session->open == 0 && silent_ms > (int64_t)limit_ms;
    if (silent_ms > (int64_t)limit_ms)
        return true;
    body = wire_frame(nothing_record(), &nothing);
    return send_to_client(gateway, session, &envelope, &body) < 0;
}

static int on_heartbeat(zloop_t *zloop, int timer, void *arg)
{
    struct gateway *gateway = arg;
    zlistx_t *all = zhashx_values(gateway->sessions.by_peer);

    (void)zloop, (void)timer;
    zlistx_set_destructor(all, NULL); /* it would take the sessions along */
    for (struct session *session = zlistx_first(all); session != NULL; session = zlistx_next(all))
        if (session_is_dead(gateway, session))
            session_lose(gateway, session, "silent or gone");
    zlistx_destroy(&all);
    return 0;
}

/* ---- the thread ------------------------------------------------------------------- */

static int on_client(zloop_t *zloop, zsock_t *front, void *arg)
{
    (void)zloop;
    for (int i = 0; i < 64 && (zsock_events(front) & ZMQ_POLLIN); i++)
        take_client_message(arg);
    return 0;
}

static int on_answer(zloop_t *zloop, zsock_t *back, void *arg)
{
    (void)zloop;
    for (int i = 0; i < 64 && (zsock_events(back) & ZMQ_POLLIN); i++)
        take_answer(arg);
    return 0;
}

static int on_order(zloop_t *zloop, zsock_t *pipe, void *arg)
{
    (void)zloop, (void)arg;
    zstr_free(&(char *){ zstr_recv(pipe) });
    return -1;
}

static int bind_endpoint(struct gateway *gateway, const char *endpoint, struct error *err)
{
    const char *path = strncmp(endpoint, "ipc://", 6) == 0 ? endpoint + 6 : NULL;

    if (path != NULL && fs_remove(path, err) < 0)
        return -1;
    if (zsock_bind(gateway->front, "%s", endpoint) < 0)
        return error_set(err, ERROR_UNAVAILABLE, "cannot listen on %s: %s", endpoint, zmq_strerror(zmq_errno()));
    return path != NULL ? endpoint_protect(path, 0660, gateway->config->group, err) : 0;
}

/* Names on a ROUTER: who is told to "content" goes to the actor of that name. */
static int back_open(struct gateway *gateway, struct error *err)
{
    gateway->back = zsock_new(ZMQ_ROUTER);
    zsock_set_router_mandatory(gateway->back, 1);
    zsock_set_sndtimeo(gateway->back, 0);
    zsock_set_sndhwm(gateway->back, 0); /* held back by stats->queued */
    zsock_set_rcvhwm(gateway->back, 0);
    for (const char *const *name = gateway->config->actors; *name != NULL; name++) {
        struct service *service = &gateway->services[gateway->service_count++];

        *service = (struct service){ *name, zframe_from(*name), stats_of(*name) };
        zsock_set_connect_rid(gateway->back, *name);
        if (zsock_connect(gateway->back, "inproc://%s", *name) < 0)
            return error_set(err, ERROR_INTERNAL, "cannot reach the %s actor: %s", *name,
                             zmq_strerror(zmq_errno()));
    }
    zloop_reader(gateway->zloop, gateway->back, on_answer, gateway);
    return 0;
}

static int gateway_open(struct gateway *gateway, struct error *err)
{
    gateway->zloop = zloop_new();
    zloop_set_nonstop(gateway->zloop, true);
    sessions_open(&gateway->sessions, (uint32_t)gateway->config->requests_total);
    gateway->front = zsock_new(ZMQ_ROUTER);
    zsock_set_router_mandatory(gateway->front, 1);
    zsock_set_sndtimeo(gateway->front, 0);
    zsock_set_linger(gateway->front, 500);
    zsock_set_sndhwm(gateway->front, QUEUE_LENGTH);
    zsock_set_maxmsgsize(gateway->front, (int)gateway->config->message_size);
    if (back_open(gateway, err) < 0)
        return -1;
    if (zsock_bind(gateway->front, "inproc://gantry") < 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "a gateway runs already in this process");
    for (const char *const *endpoint = gateway->config->endpoints; *endpoint != NULL; endpoint++)
        if (bind_endpoint(gateway, *endpoint, err) < 0)
            return -1;
    zloop_reader(gateway->zloop, gateway->front, on_client, gateway);
    zloop_timer(gateway->zloop, PING_EACH_MS, 0, on_heartbeat, gateway);
    return 0;
}

static void gateway_close(struct gateway *gateway)
{
    struct error ignored;

    for (const char *const *endpoint = gateway->config->endpoints; *endpoint != NULL; endpoint++)
        if (gateway->result == 0 && strncmp(*endpoint, "ipc://", 6) == 0)
            fs_remove(*endpoint + 6, &ignored);
    zloop_destroy(&gateway->zloop);
    zsock_unbind(gateway->front, "inproc://gantry");
    zsock_destroy(&gateway->front);
    for (int i = 0; i < gateway->service_count; i++)
        zframe_destroy(&gateway->services[i].address);
    zsock_destroy(&gateway->back);
    sessions_close(&gateway->sessions);
    atomic_store(&client_count, 0);
}

static void gateway_thread(zsock_t *pipe, void *arg)
{
    struct gateway *birth = arg, *gateway = zmalloc(sizeof(*gateway));

    ORDER_AFTER_RECEIVE();
    thread_name("gateway");
    gateway->config = birth->config;
    gateway->result = birth->result = gateway_open(gateway, birth->err);
    ORDER_BEFORE_SEND();
    zsock_signal(pipe, 0);
    if (gateway->result == 0) {
        zloop_reader(gateway->zloop, pipe, on_order, gateway);
        zloop_start(gateway->zloop);
    }
    gateway_close(gateway);
    free(gateway);
    ORDER_BEFORE_SEND();
}

zactor_t *gateway_start(const struct gateway_config *config, struct error *err)
{
    struct gateway birth = { .config = config, .err = err };
    zactor_t *thread;

    ORDER_BEFORE_SEND();
    thread = zactor_new(gateway_thread, &birth);
    ORDER_AFTER_RECEIVE();
    if (birth.result < 0)
        gateway_stop(&thread);
    return thread;
}

void gateway_stop(zactor_t **gateway)
{
    ORDER_BEFORE_SEND();
    zactor_destroy(gateway);
    ORDER_AFTER_RECEIVE();
}
