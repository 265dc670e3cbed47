/*
 * Streams: what is open on a connection, and what has arrived for each.
 *
 * The one idea: a stream's memory is bounded by what we allowed.  The daemon may send a
 * window of bytes (or items); each that the caller fetches is allowed again.  A daemon
 * that goes far beyond is wrong, and its request ends.
 */
#include "protocol/client/client.h"

#define PROGRESS_MAX 64   /* queued at most; then the oldest goes */
#define GRACE_MS     5000 /* for the daemon's own DEADLINE_EXCEEDED to arrive */

static bool streams_items(const struct op *op)
{
    return op->item() != nothing_record();
}

static uint64_t window_of(const struct op *op)
{
    return streams_items(op) ? GANTRY_ITEMS : GANTRY_WINDOW;
}

/* ---- the queue of a stream ---------------------------------------------- */

static void incoming_free(struct incoming **incoming)
{
    if (*incoming == NULL)
        return;
    zframe_destroy(&(*incoming)->body);
    free(*incoming);
    *incoming = NULL;
}

static void queue_add(struct gantry_stream *stream, struct incoming *incoming)
{
    if (stream->last != NULL)
        stream->last->next = incoming;
    else
        stream->first = incoming;
    stream->last = incoming;
    stream->progress_queued += incoming->kind == GANTRY_PROGRESS;
}

static struct incoming *queue_take(struct gantry_stream *stream)
{
    struct incoming *incoming = stream->first;

    if (incoming == NULL)
        return NULL;
    stream->first = incoming->next;
    if (stream->first == NULL)
        stream->last = NULL;
    stream->progress_queued -= incoming->kind == GANTRY_PROGRESS;
    return incoming;
}

/* Progress may be dropped; of much that nobody fetched the oldest goes. */
static void queue_drop_progress(struct gantry_stream *stream)
{
    struct incoming *before = NULL, *at = stream->first;

    while (at != NULL && at->kind != GANTRY_PROGRESS) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return;
    if (before != NULL)
        before->next = at->next;
    else
        stream->first = at->next;
    if (stream->last == at)
        stream->last = before;
    stream->progress_queued--;
    incoming_free(&at);
}

static void queue_message(struct gantry_stream *stream, enum gantry_kind kind,
                          const struct envelope *envelope, zframe_t **body)
{
    struct incoming *incoming = zmalloc(sizeof(*incoming));

    incoming->kind = kind;
    incoming->end = envelope->has_end && envelope->end;
    incoming->at = envelope->at;
    incoming->has_at = envelope->has_at;
    snprintf(incoming->name, sizeof(incoming->name), "%s",
             envelope->stream ? envelope->stream : "");
    incoming->body = *body;
    *body = NULL;
    queue_add(stream, incoming);
}

/* ---- what arrives ------------------------------------------------------- */

void stream_fail(struct gantry_stream *stream, const struct error *err)
{
    if (stream->ended)
        return;
    stream->failure = *err;
    stream->ended = true;
}

/* What nobody has fetched is at most a window, or so: a daemon counts whole pieces.  False
   when it is far more. */
static bool within_window(struct gantry_stream *stream, size_t count)
{
    struct error err = { 0 };

    if (stream->queued + count <= 2 * window_of(stream->op)) {
        stream->queued += count;
        return true;
    }
    error_set(&err, ERROR_DATA_LOSS, "%s: the daemon sends more than it was allowed",
              stream->op->name);
    gantry_stream_cancel(stream);
    stream_fail(stream, &err);
    return false;
}

static void take_failure(struct gantry_stream *stream, zframe_t *body)
{
    struct arena *arena = arena_new();
    struct failure failure;
    struct error err = { 0 };

    if (record_unpack(failure_record(), RECORD_LENIENT, zframe_data(body), zframe_size(body),
                      &failure, arena, &err) == 0) {
        error_set(&err, error_code_of_name(failure.code), "%s", failure.message);
        err.os = failure.has_os ? (int)failure.os : 0;
        err.retry_ms = failure.has_retry_ms ? failure.retry_ms : 0;
        error_hint(&err, "%s", failure.hint ? failure.hint : "");
        snprintf(stream->origin, sizeof(stream->origin), "%s",
                 failure.origin ? failure.origin : "");
    } else {
        err.code = ERROR_DATA_LOSS;
        error_wrap(&err, "%s failed, and the daemon's answer cannot be read", stream->op->name);
    }
    stream_fail(stream, &err);
    arena_free(arena);
}

static void take_credit(struct gantry_stream *stream, zframe_t *body)
{
    struct arena *arena = arena_new();
    struct credit credit;
    struct error ignored;

    if (record_unpack(credit_record(), RECORD_LENIENT, zframe_data(body), zframe_size(body),
                      &credit, arena, &ignored) == 0 &&
        credit.count <= UINT64_MAX - stream->room)
        stream->room += credit.count;
    arena_free(arena);
}

static struct gantry_stream *stream_find(const struct gantry *client, uint64_t id)
{
    struct gantry_stream *stream = client->open;

    while (stream != NULL && (stream->id != id || stream->ended))
        stream = stream->next;
    return stream;
}

void stream_dispatch(struct gantry *client, const struct envelope *envelope, zframe_t **body)
{
    struct gantry_stream *stream = stream_find(client, envelope->id);
    const char *kind = envelope->kind;

    if (stream == NULL)
        return;
    if (strcmp(kind, "reply") == 0) {
        queue_message(stream, GANTRY_REPLY, envelope, body);
        stream->ended = true;
    } else if (strcmp(kind, "error") == 0) {
        take_failure(stream, *body);
    } else if (strcmp(kind, "progress") == 0) {
        if (stream->progress_queued == PROGRESS_MAX)
            queue_drop_progress(stream);
        queue_message(stream, GANTRY_PROGRESS, envelope, body);
    } else if (strcmp(kind, "credit") == 0) {
        take_credit(stream, *body);
    } else if (strcmp(kind, "data") == 0 && (stream->streams || stream->client->who != NULL)) {
        if (within_window(stream, zframe_size(*body)))
            queue_message(stream, GANTRY_DATA, envelope, body);
    } else if (strcmp(kind, "item") == 0 && stream->streams) {
        if (within_window(stream, 1))
            queue_message(stream, GANTRY_ITEM, envelope, body);
    }
}

/* ---- asking ------------------------------------------------------------- */

static int send_record(struct gantry_stream *stream, struct envelope *envelope,
                       const struct record *record, const void *in)
{
    struct buffer body = { 0 };
    int result;

    envelope->version = PROTOCOL_VERSION;
    envelope->id = stream->id;
    record_pack(record, in, &body);
    result = connection_send(stream->client, envelope, body.data, body.size);
    buffer_free(&body);
    return result;
}

static void give_credit(struct gantry_stream *stream, uint64_t count)
{
    struct envelope envelope = { .kind = "credit" };
    struct credit credit = { .count = count };

    stream->taken = 0;
    send_record(stream, &envelope, credit_record(), &credit);
}

static int send_request(struct gantry_stream *stream, const void *in)
{
    const struct gantry *client = stream->client;
    struct envelope envelope = {
        .kind = "request",
        .op = stream->op->name,
        .namespace = client->namespace[0] ? client->namespace : NULL,
        .lease = client->lease[0] ? client->lease : NULL,
        .ttl_ms = client->ttl_ms,
        .has_ttl_ms = client->ttl_ms != 0,
    };

    if (client->ttl_ms != 0)
        stream->deadline = zclock_mono() + (int64_t)client->ttl_ms + GRACE_MS;
    if (send_record(stream, &envelope, stream->op->request(), in) < 0)
        return -1;
    if (stream->streams)
        give_credit(stream, window_of(stream->op));
    return 0;
}

static int stream_new(struct gantry *client, const struct op *op, const void *in, bool streams,
                      struct gantry_stream **stream, struct error *err)
{
    struct gantry_stream *new;

    *stream = NULL;
    client->origin[0] = '\0';
    if (connection_open(client, err) < 0)
        return -1;
    new = zmalloc(sizeof(*new));
    new->client = client;
    new->op = op;
    new->id = ++client->last_id;
    new->streams = streams;
    new->next = client->open;
    client->open = new;
    if (send_request(new, in) < 0 && !new->ended)
        stream_fail(new, &client->lost);
    *stream = new;
    return 0;
}

int gantry_stream_open(struct gantry *client, const struct op *op, const void *in,
                       struct gantry_stream **stream, struct error *err)
{
    return stream_new(client, op, in, true, stream, err);
}

void gantry_stream_cancel(struct gantry_stream *stream)
{
    struct envelope envelope = { .kind = "cancel" };
    struct nothing nothing = { 0 };

    if (stream->ended || stream->cancelled)
        return;
    stream->cancelled = true;
    send_record(stream, &envelope, nothing_record(), &nothing);
}

void gantry_stream_close(struct gantry_stream **stream)
{
    struct gantry_stream *old = *stream, **at, *unused;
    struct incoming *incoming;

    if (old == NULL)
        return;
    gantry_stream_cancel(old);
    for (at = &old->client->open; *at != old; at = &unused->next)
        unused = *at;
    *at = old->next;
    while ((incoming = queue_take(old)) != NULL)
        incoming_free(&incoming);
    incoming_free(&old->current);
    arena_free(old->arena);
    free(old);
    *stream = NULL;
}

/* ---- waiting ------------------------------------------------------------ */

static void give_up(struct gantry_stream *stream)
{
    struct error err = { 0 };

    if (!stream->cancelled) {
        gantry_stream_cancel(stream);
        return;
    }
    error_set(&err, ERROR_CANCELLED, "%s: given up before the daemon had answered",
              stream->op->name);
    stream_fail(stream, &err);
}

/* One turn in the name of a stream: the caller's interrupt and the deadline count. */
static void stream_turn(struct gantry_stream *stream, int timeout_ms)
{
    struct gantry *client = stream->client;
    struct gantry_fd interrupt = { .fd = client->interrupt };
    int64_t left = stream->deadline - zclock_mono();
    struct error err = { 0 };

    if (stream->deadline != 0 && left <= 0) {
        error_set(&err, ERROR_DEADLINE_EXCEEDED, "%s: no answer in time", stream->op->name);
        gantry_stream_cancel(stream);
        stream_fail(stream, &err);
        return;
    }
    if (stream->deadline != 0 && (timeout_ms < 0 || timeout_ms > left))
        timeout_ms = (int)left;
    connection_turn(client, &interrupt, 1, timeout_ms);
    if (interrupt.ready && client->told(client->told_ctx))
        give_up(stream);
}

/* Waits until something is queued or all is over; false when the time is up. */
static bool stream_wait(struct gantry_stream *stream, int timeout_ms)
{
    int64_t until = zclock_mono() + timeout_ms;

    while (stream->first == NULL && !stream->ended) {
        int64_t left = timeout_ms < 0 ? -1 : until - zclock_mono();

        if (timeout_ms >= 0 && left < 0)
            left = 0;
        stream_turn(stream, (int)left);
        if (stream->first == NULL && !stream->ended && left == 0)
            return false;
    }
    return true;
}

int gantry_wait(struct gantry *client, struct gantry_stream *stream, struct gantry_fd *fds,
                size_t count, int timeout_ms)
{
    int64_t until = zclock_mono() + timeout_ms;
    uint64_t before = client->arrivals;
    bool connected = client->socket != NULL;

    if (!connected && stream == NULL && count == 0)
        return 0;
    for (;;) {
        bool queued = stream != NULL && (stream->first != NULL || stream->ended);
        int64_t left = timeout_ms < 0 ? -1 : until - zclock_mono();

        if (queued || (timeout_ms >= 0 && left < 0))
            left = 0;
        connection_turn(client, fds, count, (int)left);
        for (size_t i = 0; i < count; i++)
            queued |= fds[i].ready;
        if (queued || client->arrivals != before || connected != (client->socket != NULL))
            return 1;
        if (left == 0)
            return 0;
    }
}

/* ---- fetching ----------------------------------------------------------- */

static const struct record *record_of(const struct gantry_stream *stream, enum gantry_kind kind)
{
    if (kind == GANTRY_PROGRESS)
        return progress_record();
    return kind == GANTRY_ITEM ? stream->op->item() : stream->op->reply();
}

static int decode(struct gantry_stream *stream, struct incoming *incoming, void *out,
                  struct arena *arena, struct error *err)
{
    if (record_unpack(record_of(stream, incoming->kind), RECORD_LENIENT,
                      zframe_data(incoming->body), zframe_size(incoming->body), out, arena,
                      err) == 0)
        return 0;
    err->code = ERROR_DATA_LOSS;
    return error_wrap(err, "%s: the daemon's answer cannot be read", stream->op->name);
}

static int stream_failed(struct gantry_stream *stream, struct error *err)
{
    if (stream->told)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s has ended", stream->op->name);
    stream->told = true;
    *err = stream->failure;
    snprintf(stream->client->origin, sizeof(stream->client->origin), "%s", stream->origin);
    return -1;
}

/* What is fetched may be sent again. */
static void allow_again(struct gantry_stream *stream, uint64_t count)
{
    stream->queued -= count;
    stream->taken += count;
    if (!stream->ended && stream->taken >= window_of(stream->op) / 2)
        give_credit(stream, stream->taken);
}

static int fetch(struct gantry_stream *stream, struct gantry_message *message, struct error *err)
{
    struct incoming *incoming = stream->current;
    void *body;

    *message = (struct gantry_message){ .kind = incoming->kind };
    stream->told |= incoming->kind == GANTRY_REPLY;
    if (incoming->kind == GANTRY_DATA) {
        message->stream = incoming->name;
        message->bytes = zframe_data(incoming->body);
        message->size = zframe_size(incoming->body);
        message->end = incoming->end;
        message->at = incoming->at;
        message->has_at = incoming->has_at;
        allow_again(stream, message->size);
        return 1;
    }
    if (incoming->kind == GANTRY_ITEM)
        allow_again(stream, 1);
    stream->arena = arena_new();
    body = arena_alloc(stream->arena, record_of(stream, incoming->kind)->size);
    message->body = body;
    if (decode(stream, incoming, body, stream->arena, err) == 0)
        return 1;
    gantry_stream_cancel(stream);
    stream->ended = stream->told = true;
    return -1;
}

int gantry_stream_next(struct gantry_stream *stream, int timeout_ms, struct gantry_message *message,
                       struct error *err)
{
    incoming_free(&stream->current);
    arena_free(stream->arena);
    stream->arena = NULL;
    if (!stream_wait(stream, timeout_ms))
        return 0;
    stream->current = queue_take(stream);
    return stream->current == NULL ? stream_failed(stream, err) : fetch(stream, message, err);
}

/* ---- sending ------------------------------------------------------------ */

uint64_t gantry_stream_room(const struct gantry_stream *stream)
{
    return stream->room;
}

int gantry_stream_send(struct gantry_stream *stream, const char *name, const void *bytes,
                       size_t size, bool end, struct error *err)
{
    struct envelope envelope = { .version = PROTOCOL_VERSION, .kind = "data", .stream = name };
    const char *at = bytes;

    envelope.id = stream->id;
    while (!stream->ended && (size > 0 || end)) {
        size_t chunk = size < GANTRY_CHUNK_MAX ? size : GANTRY_CHUNK_MAX;

        if (chunk > stream->room)
            chunk = (size_t)stream->room;
        if (chunk == 0 && size > 0) {
            stream_turn(stream, -1);
            continue;
        }
        envelope.end = envelope.has_end = end && chunk == size;
        if (connection_send(stream->client, &envelope, chunk > 0 ? at : "", chunk) < 0) {
            *err = stream->client->lost;
            return -1;
        }
        stream->room -= chunk;
        at += chunk;
        size -= chunk;
        end = end && !envelope.end;
    }
    return 0;
}

/* ---- short requests ----------------------------------------------------- */

static void tell_progress(struct gantry_stream *stream, struct incoming *incoming)
{
    struct arena *arena = arena_new();
    struct progress progress;
    struct error ignored;

    if (stream->client->progress != NULL &&
        decode(stream, incoming, &progress, arena, &ignored) == 0)
        stream->client->progress(stream->client->progress_ctx, &progress);
    arena_free(arena);
}

/* Packed in one piece, of which no copies are left behind. */
#define ANSWER_ROOM (128u << 10)

static void send_answer(struct gantry_stream *stream, const char *name,
                        const struct credentials_answer *answer)
{
    struct buffer body = { .data = zmalloc(ANSWER_ROOM), .room = ANSWER_ROOM };
    const struct envelope envelope = { .version = PROTOCOL_VERSION,
                                       .id = stream->id,
                                       .kind = "data",
                                       .stream = name,
                                       SET(end, true) };

    record_pack(credentials_answer_record(), answer, &body);
    if (!stream->ended)
        connection_send(stream->client, &envelope, body.data, body.size);
    explicit_bzero(body.data, body.size);
    buffer_free(&body);
}

/* Credit for the answer came with the question. */
static void answer_question(struct gantry_stream *stream, const struct incoming *incoming)
{
    struct gantry *client = stream->client;
    struct arena *arena = arena_new();
    struct credentials_question question;
    struct credentials_answer answer = { 0 };
    struct error ignored;

    stream->queued -= zframe_size(incoming->body);
    if (client->who != NULL && strncmp(incoming->name, "credentials-", 12) == 0 &&
        record_unpack(credentials_question_record(), RECORD_LENIENT, zframe_data(incoming->body),
                      zframe_size(incoming->body), &question, arena, &ignored) == 0) {
        client->who(client->who_ctx, &question, &answer);
        send_answer(stream, incoming->name, &answer);
    }
    arena_free(arena);
}

static int final_answer(struct gantry_stream *stream, void *out, struct arena *arena,
                        struct error *err)
{
    for (;;) {
        struct incoming *incoming;
        int result = 0;

        stream_wait(stream, -1);
        incoming = queue_take(stream);
        if (incoming == NULL)
            return stream_failed(stream, err);
        if (incoming->kind == GANTRY_REPLY && out != NULL)
            result = decode(stream, incoming, out, arena, err);
        if (incoming->kind == GANTRY_PROGRESS)
            tell_progress(stream, incoming);
        if (incoming->kind == GANTRY_DATA)
            answer_question(stream, incoming);
        if (incoming->kind == GANTRY_REPLY) {
            incoming_free(&incoming);
            return result;
        }
        incoming_free(&incoming);
    }
}

int gantry_call_begin(struct gantry *client, const struct op *op, const void *in,
                      struct gantry_stream **call, struct error *err)
{
    return stream_new(client, op, in, false, call, err);
}

int gantry_call_end(struct gantry_stream **call, void *out, struct arena *arena, struct error *err)
{
    int result = final_answer(*call, out, arena, err);

    gantry_stream_close(call);
    return result;
}

int gantry_call(struct gantry *client, const struct op *op, const void *in, void *out,
                struct arena *arena, struct error *err)
{
    struct gantry_stream *call;

    if (gantry_call_begin(client, op, in, &call, err) < 0)
        return -1;
    return gantry_call_end(&call, out, arena, err);
}
