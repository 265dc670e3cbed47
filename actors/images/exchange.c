/* Packets of gantry-fetch, each taken for a stranger's: see exchange.h. */
#include "actors/images/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry_options.h"
#include "platform/channel.h"
#include "platform/scope.h"
#include "protocol/oci/shown.h"

#define CHECK_MS  100
#define NOTES_MAX 1000 /* per request; a sentence too many is dropped */
#define WANTS_MAX 4    /* per request: who the user is is not asked for ever */
#define SEND_MS   10000

struct exchange exchange_of(struct registry *registry, const struct registry_caller *caller,
                            const char *what)
{
    return (struct exchange){
        .registry = registry, .caller = caller, .what = what, .file = -1, .channel = -1
    };
}

void exchange_drop(struct exchange *exchange)
{
    file_close(&exchange->channel);
    free(exchange->packet);
    arena_drop(&exchange->arena);
}

static int nonsense(const struct exchange *exchange, struct error *err)
{
    struct shown why;

    return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch says nonsense: %s", exchange->what,
                     shown(err->text, &why));
}

static void take_note(struct exchange *exchange, size_t size)
{
    const struct registry_caller *caller = exchange->caller;
    char text[480];

    if (caller == NULL || caller->note == NULL || exchange->notes++ >= NOTES_MAX)
        return;
    caller->note(caller->ctx, plain_text(exchange->packet + 1, size - 1, text, sizeof(text)));
}

static int take_data(struct exchange *exchange, size_t size, struct error *err)
{
    struct bin bytes;
    uint64_t at;

    if (fetch_data_read(exchange->packet, size, &at, &bytes, err) < 0)
        return nonsense(exchange, err);
    if (exchange->data == NULL)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch sends bytes that nobody wants",
                         exchange->what);
    return exchange->data(exchange->ctx, at, &bytes, err);
}

/* Its words are a stranger's, or as good as. */
static int failed(const struct exchange *exchange, const struct failure *failure, struct error *err)
{
    const struct registry_caller *caller = exchange->caller;
    const char *hint = failure->hint != NULL ? failure->hint : "";
    char text[sizeof(err->text)], way[sizeof(err->hint)];

    error_set(err, error_code_of_name(failure->code), "%s",
              plain_text(failure->message, strlen(failure->message), text, sizeof(text)));
    err->os = failure->has_os ? (int)failure->os : 0;
    err->retry_ms = failure->has_retry_ms ? failure->retry_ms : 0;
    if (*hint != '\0')
        error_hint(err, "%s", plain_text(hint, strlen(hint), way, sizeof(way)));
    if (caller != NULL && caller->told != NULL)
        *caller->told = true;
    return -1;
}

static int take_end(struct exchange *exchange, size_t size, struct error *err)
{
    if (fetch_packet_read(FETCH_END, exchange->packet, size, &exchange->end, exchange->arena, err) <
        0)
        return nonsense(exchange, err);
    exchange->ended = true;
    return exchange->end.failure != NULL ? failed(exchange, exchange->end.failure, err) : 0;
}

static int take_sent(struct exchange *exchange, size_t size, struct error *err)
{
    uint64_t done;

    if (fetch_sent_read(exchange->packet, size, &done, err) < 0)
        return nonsense(exchange, err);
    if (exchange->sent != NULL)
        exchange->sent(exchange->ctx, done);
    return 0;
}

static int send_user(struct exchange *exchange, const struct registry_known *user,
                     struct error *err)
{
    CLEANUP(fetch_buffer_free) struct buffer buffer = { 0 };
    const struct fetch_user said = { .username = user->username,
                                     .password = user->password,
                                     .identity_token = user->identity_token,
                                     .registry_token = user->registry_token };
    struct channel_packet packet = { 0 };

    fetch_buffer_open(&buffer);
    if (fetch_packet_add(FETCH_USER, &said, &buffer, err) < 0)
        return -1;
    packet.head = buffer.data;
    packet.head_size = buffer.size;
    return channel_send(exchange->channel, &packet, SEND_MS, err);
}

static int take_want(struct exchange *exchange, size_t size, struct error *err)
{
    const struct registry *registry = exchange->registry;
    const struct registry_caller *caller = exchange->caller;
    struct registry_question question = { .host = registry->name,
                                          .registry = registry->named,
                                          .repository = strchr(registry->repository, '/') + 1 };
    struct registry_known user = { 0 };
    struct fetch_want want;
    int known;

    if (fetch_packet_read(FETCH_WANT, exchange->packet, size, &want, exchange->arena, err) < 0)
        return nonsense(exchange, err);
    if (!registry->askable || caller == NULL || caller->who == NULL ||
        exchange->wants++ >= WANTS_MAX)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch asks for credentials unbidden",
                         exchange->what);
    question.again = want.has_again && want.again;
    known = caller->who(caller->ctx, &question, exchange->arena, &user, err);
    if (known == 1 && registry_known_check(&user, err) < 0) {
        error_wrap(err, "credentials for %.100s", registry->name);
        known = -1;
    }
    if (known >= 0 && send_user(exchange, &user, err) < 0)
        known = -1;
    registry_known_wipe(&user);
    return known < 0 ? -1 : 0;
}

static int take_packet(struct exchange *exchange, size_t size, struct error *err)
{
    switch (exchange->packet[0]) {
    case FETCH_WANT:
        return take_want(exchange, size, err);
    case FETCH_DATA:
        return take_data(exchange, size, err);
    case FETCH_SENT:
        return take_sent(exchange, size, err);
    case FETCH_NOTE:
        take_note(exchange, size);
        return 0;
    default:
        return take_end(exchange, size, err);
    }
}

static int ask_caller(struct exchange *exchange, struct error *err)
{
    const struct registry_caller *caller = exchange->caller;
    int64_t now = clock_monotonic();

    if (caller == NULL || caller->check == NULL ||
        now - exchange->checked < CHECK_MS / 2 * INT64_C(1000000))
        return 0;
    exchange->checked = now;
    return caller->check(caller->ctx, err);
}

static int hear(struct exchange *exchange, struct error *err)
{
    struct channel_heard heard;

    if (ask_caller(exchange, err) < 0)
        return -1;
    if (channel_receive(exchange->channel, exchange->packet, FETCH_PACKET_MAX, false, CHECK_MS,
                        &heard, err) < 0)
        return err->code == ERROR_INVALID_ARGUMENT ? nonsense(exchange, err) : -1;
    if (heard.news == CHANNEL_QUIET)
        return 0;
    if (heard.news == CHANNEL_PACKET)
        return take_packet(exchange, heard.size, err);
    fetcher_gone(&exchange->registry->fetcher, err);
    return error_wrap(err, "%s", exchange->what);
}

int converse(struct exchange *exchange, const struct fetch_ask *ask, struct error *err)
{
    exchange->arena = arena_new();
    exchange->packet = malloc(FETCH_PACKET_MAX);
    if (exchange->packet == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no memory for it", exchange->what);
    if (fetcher_ask(&exchange->registry->fetcher, ask, exchange->file, &exchange->channel, err) < 0)
        return error_wrap(err, "%s", exchange->what);
    while (!exchange->ended)
        if (hear(exchange, err) < 0)
            return -1;
    return 0;
}

/* ---- what bytes go to ----------------------------------------------------------------- */

void intake_drop(struct intake *intake)
{
    free(intake->bytes);
}

int on_document(void *ctx, uint64_t at, const struct bin *bytes, struct error *err)
{
    struct intake *intake = ctx;
    size_t room = intake->room;
    char *more;

    if (at != intake->used || bytes->size > intake->most - intake->used)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch sends bytes that are not its",
                         intake->what);
    while (room <= intake->used + bytes->size)
        room = room > 0 ? 2 * room : 4096;
    if (room > intake->room) {
        more = realloc(intake->bytes, room);
        if (more == NULL)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no memory for it", intake->what);
        intake->bytes = more;
        intake->room = room;
    }
    memcpy(intake->bytes + intake->used, bytes->data, bytes->size);
    intake->used += bytes->size;
    return 0;
}

void intake_give(struct intake *intake, struct registry_document *out)
{
    out->bytes = intake->bytes;
    out->size = intake->used;
    out->bytes[out->size] = '\0';
    intake->bytes = NULL;
}

int what_image(const struct registry *registry, const char *tag_or_digest, char what[WHAT_SIZE],
               struct error *err)
{
    bool by_digest = digest_is_usable(tag_or_digest);

    if (!by_digest && !registry_is_tag(tag_or_digest))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is neither tag nor digest",
                         tag_or_digest);
    snprintf(what, WHAT_SIZE, "image %s%s%s", registry->repository, by_digest ? "@" : ":",
             tag_or_digest);
    return 0;
}
