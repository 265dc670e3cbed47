/* wire — frames out of records and back; see wire.h. */
#include "actors/base/wire.h"

#include "actors/base/thread_order.h"

zframe_t *wire_frame(const struct record *record, const void *in)
{
    struct buffer wire = { 0 };
    zframe_t *frame;

    record_pack(record, in, &wire);
    frame = zframe_new(wire.data, wire.size);
    buffer_free(&wire);
    return frame;
}

int wire_unframe(zframe_t *frame, const struct record *record, enum record_mode mode, void *out,
                 struct arena *arena, struct error *err)
{
    if (frame == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: frame is missing", record->name);
    return record_unpack(record, mode, zframe_data(frame), zframe_size(frame), out, arena, err);
}

int wire_send(zsock_t *socket, zframe_t *to, const struct envelope *envelope, zframe_t **body)
{
    zframe_t *head = wire_frame(envelope_record(), envelope);
    int result = 0;

    ORDER_BEFORE_SEND();
    if (to != NULL)
        result = zframe_send(&to, socket, ZFRAME_MORE | ZFRAME_REUSE);
    if (result == 0)
        result = zframe_send(&head, socket, ZFRAME_MORE);
    if (result == 0)
        result = zframe_send(body, socket, 0);
    zframe_destroy(&head);
    zframe_destroy(body);
    return result;
}

struct failure wire_failure(const struct error *err, const char *origin)
{
    return (struct failure){
        .code = error_code_name(err->code == ERROR_NONE ? ERROR_UNKNOWN : err->code),
        .message = err->text,
        .origin = origin,
        .os = err->os,
        .has_os = err->os != 0,
        .hint = err->hint[0] ? err->hint : NULL,
        .retry_ms = err->retry_ms,
        .has_retry_ms = err->retry_ms != 0,
    };
}

void wire_error(const struct failure *failure, struct error *err)
{
    error_set(err, error_code_of_name(failure->code), "%s", failure->message);
    err->os = failure->has_os ? (int)failure->os : 0;
    err->retry_ms = failure->has_retry_ms ? failure->retry_ms : 0;
    if (failure->hint != NULL)
        error_hint(err, "%s", failure->hint);
}

struct message *message_receive(zsock_t *socket, bool with_caller, struct error *err)
{
    zmsg_t *frames = zmsg_recv(socket);

    ORDER_AFTER_RECEIVE();
    return frames != NULL ? message_of(frames, with_caller, err) : NULL;
}

struct message *message_of(zmsg_t *frames, bool with_caller, struct error *err)
{
    struct message *message = zmalloc(sizeof(*message));
    zframe_t *head = zmsg_first(frames);

    message->frames = frames;
    message->arena = arena_new();
    if (with_caller) {
        message->caller = head;
        head = zmsg_next(frames);
    }
    message->body = zmsg_next(frames);
    if (wire_unframe(head, envelope_record(), RECORD_LENIENT, &message->envelope, message->arena, err) < 0)
        message->envelope.kind = "";
    return message;
}

void message_free(struct message **message)
{
    if (*message == NULL)
        return;
    zmsg_destroy(&(*message)->frames);
    arena_free((*message)->arena);
    free(*message);
    *message = NULL;
}
