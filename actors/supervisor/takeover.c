/* Taking the state over from a command that runs the engine itself (embedded mode). */
#include <czmq.h>

#include "actors/base/log.h"
#include "actors/base/wire.h"
#include "actors/supervisor/engine.h"
#include "platform/platform.h"

#define ASK_MS   1000 /* for the holder to answer */
#define RETRY_MS 100  /* between two looks at the lock */

/* One question and its answer; the reply lives in the arena. */
static int ask(const char *endpoint, const struct op *op, void *out, struct arena *arena, struct error *err)
{
    const struct envelope envelope = { .version = PROTOCOL_VERSION, .id = 1, .kind = "request", .op = op->name };
    const struct nothing nothing = { 0 };
    zframe_t *body = wire_frame(nothing_record(), &nothing);
    zsock_t *socket = zsock_new(ZMQ_DEALER);
    struct message *message = NULL;
    int result = -1;

    zsock_set_rcvtimeo(socket, ASK_MS);
    zsock_set_linger(socket, 0);
    if (zsock_connect(socket, "%s", endpoint) < 0 || wire_send(socket, NULL, &envelope, &body) < 0)
        error_set(err, ERROR_UNAVAILABLE, "%s does not answer", endpoint);
    else
        do {
            message_free(&message);
            message = message_receive(socket, false, err);
        } while (message != NULL && strcmp(message->envelope.kind, "reply") != 0 && strcmp(message->envelope.kind, "error") != 0);
    zframe_destroy(&body);
    if (message != NULL && strcmp(message->envelope.kind, "reply") == 0)
        result = wire_unframe(message->body, op->reply(), RECORD_LENIENT, out, arena, err);
    message_free(&message);
    zsock_destroy(&socket);
    return result;
}

/* The holder is a command, and has been told to hand over. */
static bool ask_to_hand_over(const struct config *config)
{
    struct arena *arena = arena_new();
    struct daemon_info_reply info = { 0 };
    struct nothing nothing;
    struct error ignored;
    bool is_command = ask(config->listen[0], &op_daemon_info, &info, arena, &ignored) == 0 && info.embedded;

    if (is_command) /* its answer may be lost: it stops */
        (void)ask(config->listen[0], &op_daemon_shutdown, &nothing, arena, &ignored);
    arena_free(arena);
    return is_command;
}

int engine_take_over(const struct config *config, int64_t wait_ms, struct engine **engine, struct error *err)
{
    int64_t until = clock_monotonic() + wait_ms * 1000000;
    bool asked = false;

    for (;;) {
        if (engine_start(config, false, engine, err) == 0)
            return 0;
        if (err->code != ERROR_FAILED_PRECONDITION || strstr(err->text, "is held by process") == NULL)
            return -1;
        if (!asked && !(asked = ask_to_hand_over(config)))
            return -1; /* a daemon, or something that does not answer: two cannot have one state */
        if (clock_monotonic() > until)
            return error_hint(err, "it was asked to hand over and did not within %lld s", (long long)wait_ms / 1000);
        zclock_sleep(RETRY_MS);
    }
}
