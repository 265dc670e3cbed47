/* The test's side of a conversation: frames by hand, so that they can be wrong, too. */
#include "tests/actors/peer.h"

#include "actors/base/thread_order.h"
#include "actors/base/wire.h"

void peer_open(struct peer *peer, const char *actor)
{
    *peer = (struct peer){ .wire = zsock_new(ZMQ_DEALER), .stats = stats_of(actor) };
    zsock_set_rcvtimeo(peer->wire, PEER_PATIENCE_MS);
    zsock_set_rcvhwm(peer->wire, 0);
    zsock_connect(peer->wire, "inproc://%s", actor);
}

void peer_close(struct peer *peer)
{
    zsock_destroy(&peer->wire);
}

static void send_frames(struct peer *peer, const struct envelope *envelope, zframe_t **body)
{
    atomic_fetch_add(&peer->stats->queued, 1);
    wire_send(peer->wire, NULL, envelope, body);
}

uint64_t peer_send(struct peer *peer, const struct op *op, const void *body)
{
    struct envelope envelope = {
        .version = PROTOCOL_VERSION,
        .id = ++peer->last_id,
        .kind = "request",
        .op = op->name,
        .namespace = peer->namespace,
        .lease = peer->lease,
        .ttl_ms = peer->ttl_ms,
        .has_ttl_ms = peer->ttl_ms != 0,
        .inside = peer->inside,
        .has_inside = peer->inside,
    };
    zframe_t *frame = wire_frame(op->request(), body);

    send_frames(peer, &envelope, &frame);
    return envelope.id;
}

void peer_send_raw(struct peer *peer, const struct envelope *envelope, const void *body,
                   size_t size)
{
    zframe_t *frame = zframe_new(body, size);

    send_frames(peer, envelope, &frame);
}

static void follow(struct peer *peer, uint64_t id, const char *kind, zframe_t *body)
{
    const struct envelope envelope = { .version = PROTOCOL_VERSION, .id = id, .kind = kind };

    send_frames(peer, &envelope, &body);
}

void peer_cancel(struct peer *peer, uint64_t id)
{
    follow(peer, id, "cancel", zframe_new("\x80", 1));
}

void peer_credit(struct peer *peer, uint64_t id, uint64_t count)
{
    const struct credit credit = { .count = count };

    follow(peer, id, "credit", wire_frame(credit_record(), &credit));
}

void peer_data(struct peer *peer, uint64_t id, const char *stream, const char *text, bool end)
{
    const struct envelope envelope = {
        .version = PROTOCOL_VERSION,
        .id = id,
        .kind = "data",
        .stream = stream,
        SET(end, end),
    };
    zframe_t *body = zframe_new(text, strlen(text));

    send_frames(peer, &envelope, &body);
}

static void take_failure(zframe_t *body, struct answer *answer)
{
    struct failure failure = { .message = "" };
    struct error err;

    if (wire_unframe(body, failure_record(), RECORD_LENIENT, &failure, answer->arena, &err) < 0)
        fprintf(stderr, "a failure that is none: %s\n", err.text);
    answer->code = error_code_of_name(failure.code);
    answer->message = failure.message;
    answer->hint = failure.hint;
}

static void take_body(zframe_t *body, const struct record *record, struct answer *answer)
{
    struct error err;

    answer->body = arena_alloc(answer->arena, record->size);
    if (wire_unframe(body, record, RECORD_STRICT, answer->body, answer->arena, &err) < 0)
        fprintf(stderr, "a %s that is none: %s\n", answer->envelope.kind, err.text);
}

bool peer_receive(struct peer *peer, const struct op *op, struct answer *answer)
{
    struct error err;
    zframe_t *body;

    answer_free(answer);
    *answer = (struct answer){ .message = "", .arena = arena_new() };
    answer->frames = zmsg_recv(peer->wire);
    ORDER_AFTER_RECEIVE();
    if (answer->frames == NULL ||
        wire_unframe(zmsg_first(answer->frames), envelope_record(), RECORD_STRICT,
                     &answer->envelope, answer->arena, &err) < 0)
        return false;
    body = zmsg_next(answer->frames);
    if (streq(answer->envelope.kind, "error")) {
        take_failure(body, answer);
    } else if (streq(answer->envelope.kind, "data")) {
        answer->bytes = zframe_data(body);
        answer->size = zframe_size(body);
    } else {
        take_body(body,
                  streq(answer->envelope.kind, "item")       ? op->item()
                  : streq(answer->envelope.kind, "progress") ? progress_record()
                  : streq(answer->envelope.kind, "credit")   ? credit_record()
                                                             : op->reply(),
                  answer);
    }
    return true;
}

bool peer_hears_nothing(struct peer *peer, int wait_ms)
{
    zmq_pollitem_t item = { .socket = zsock_resolve(peer->wire), .events = ZMQ_POLLIN };

    return zmq_poll(&item, 1, wait_ms) == 0;
}

enum error_code peer_finish(struct peer *peer, const struct op *op, struct answer *answer)
{
    while (peer_receive(peer, op, answer)) {
        if (streq(answer->envelope.kind, "reply"))
            return ERROR_NONE;
        if (streq(answer->envelope.kind, "error"))
            return answer->code;
    }
    fprintf(stderr, "no answer to %s\n", op->name);
    return ERROR_UNKNOWN;
}

enum error_code peer_ask(struct peer *peer, const struct op *op, const void *body,
                         struct answer *answer)
{
    peer_send(peer, op, body);
    return peer_finish(peer, op, answer);
}

void answer_free(struct answer *answer)
{
    arena_free(answer->arena);
    zmsg_destroy(&answer->frames);
    *answer = (struct answer){ .message = "" };
}
