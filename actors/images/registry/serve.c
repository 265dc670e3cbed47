/* serve — the happy path of a request is: its record -> the call -> bytes, then END. */
#include "actors/images/registry/serve.h"

#include <stdlib.h>
#include <string.h>

#include "actors/images/registry.h"
#include "platform/channel.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/fetch_wire.h"
#include "protocol/oci/shown.h"

#define NOTE_MAX 480

/* What all requests share; it lasts as long as the process. */
struct service {
    struct registry *registry; /* NULL: `refused` says why not */
    struct error refused;
};

struct request {
    struct service *service;
    int channel;
    struct fetch_ask ask;
    struct arena *arena;
    int file;            /* what is to be sent; -1: nothing */
    uint64_t done, told; /* bytes of it sent */
    uint64_t at;         /* where the first of the gathered bytes belongs */
    size_t used;
    char bytes[FETCH_DATA_MAX];
};

static void request_drop(struct request **request)
{
    if (*request == NULL)
        return;
    file_close(&(*request)->channel);
    file_close(&(*request)->file);
    arena_free((*request)->arena);
    free(*request);
}

/* ---- speaking ---------------------------------------------------------------------- */

static int flush(struct request *request, struct error *err)
{
    char head[FETCH_DATA_HEAD];
    const struct channel_packet packet = {
        .head = head, .head_size = sizeof(head), .body = request->bytes, .size = request->used
    };

    if (request->used == 0)
        return 0;
    fetch_data_head(request->at, head);
    request->at += request->used;
    request->used = 0;
    return channel_send(request->channel, &packet, -1, err);
}

/* A sink of registry_blob(). */
static int gather(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct request *request = ctx;
    const char *from = data;

    if (at != request->at + request->used) {
        if (flush(request, err) < 0)
            return -1;
        request->at = at;
    }
    while (size > 0) {
        size_t room = sizeof(request->bytes) - request->used;
        size_t part = size < room ? size : room;

        memcpy(request->bytes + request->used, from, part);
        request->used += part;
        from += part;
        size -= part;
        if (part == room && flush(request, err) < 0)
            return -1;
    }
    return 0;
}

static int tell_sent(struct request *request, struct error *err)
{
    char head[FETCH_DATA_HEAD];
    const struct channel_packet packet = { .head = head, .head_size = sizeof(head) };

    if (request->done == request->told)
        return 0;
    request->told = request->done;
    fetch_sent_head(request->done, head);
    return channel_send(request->channel, &packet, -1, err);
}

/* The progress of registry_upload(). */
static void count_sent(void *ctx, uint64_t done)
{
    ((struct request *)ctx)->done = done;
}

/* Asked about ten times a second: what came slowly goes out now. */
static int check(void *ctx, struct error *err)
{
    struct request *request = ctx;

    if (channel_is_closed(request->channel))
        return error_set(err, ERROR_CANCELLED, "nobody waits any more");
    return tell_sent(request, err) < 0 ? -1 : flush(request, err);
}

static void note(void *ctx, const char *text)
{
    struct request *request = ctx;
    const char kind = FETCH_NOTE;
    char said[NOTE_MAX];
    struct error ignored; /* who does not read will not read the answer either */
    const struct channel_packet packet = { .head = &kind,
                                           .head_size = 1,
                                           .body = said,
                                           .size = strlen(plain_text(text, strlen(text), said,
                                                                     sizeof(said))) };

    channel_send(request->channel, &packet, -1, &ignored);
}

static int say(struct request *request, enum fetch_packet kind, const void *record,
               struct error *err)
{
    CLEANUP(fetch_buffer_free) struct buffer buffer = { 0 };
    struct channel_packet packet = { 0 };

    fetch_buffer_open(&buffer);
    if (flush(request, err) < 0 || fetch_packet_add(kind, record, &buffer, err) < 0)
        return -1;
    packet.head = buffer.data;
    packet.head_size = buffer.size;
    return channel_send(request->channel, &packet, -1, err);
}

static void say_end(struct request *request, const struct fetch_end *end)
{
    struct error ignored;

    say(request, FETCH_END, end, &ignored);
}

/* Its user's name; who waits for us does not wait for this alone, so it may take its time. */
static int hear_user(struct request *request, char *packet, struct arena *arena,
                     struct fetch_user *user, struct error *err)
{
    struct channel_heard heard;

    if (channel_receive(request->channel, packet, FETCH_PACKET_MAX, false, -1, &heard, err) < 0)
        return -1;
    if (heard.news != CHANNEL_PACKET)
        return error_set(err, ERROR_CANCELLED, "nobody waits any more");
    return fetch_packet_read(FETCH_USER, packet, heard.size, user, arena, err);
}

static int who(void *ctx, const struct registry_question *question, struct arena *arena,
               struct registry_known *out, struct error *err)
{
    struct request *request = ctx;
    const struct fetch_want want = { SET(again, question->again) };
    char *packet = malloc(FETCH_PACKET_MAX);
    struct fetch_user user = { 0 };
    int result;

    if (packet == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for credentials");
    result = say(request, FETCH_WANT, &want, err) < 0 ||
                     hear_user(request, packet, arena, &user, err) < 0
                 ? -1
                 : 1;
    memory_wipe(packet, FETCH_PACKET_MAX);
    free(packet);
    *out = (struct registry_known){ .username = user.username,
                                   .password = user.password,
                                   .identity_token = user.identity_token,
                                   .registry_token = user.registry_token };
    return result;
}

static void say_error(struct request *request, const struct error *why)
{
    char text[sizeof(why->text)], hint[sizeof(why->hint)];
    const struct failure failure = {
        .code = error_code_name(why->code),
        .message = plain_text(why->text, strlen(why->text), text, sizeof(text)),
        SET(os, why->os),
        .hint = plain_text(why->hint, strlen(why->hint), hint, sizeof(hint)),
        SET(retry_ms, why->retry_ms),
    };

    say_end(request, &(struct fetch_end){ .failure = &failure });
}

/* ---- answering ---------------------------------------------------------------------- */

static int answer_manifest(struct request *request, const struct registry_caller *caller,
                           struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct fetch_end end = { 0 };

    if (registry_manifest(request->service->registry, caller, request->ask.name, request->ask.size,
                          &document, err) < 0 ||
        gather(request, 0, document.bytes, document.size, err) < 0)
        return -1;
    end.media_type = document.media_type;
    end.digest = document.digest;
    say_end(request, &end);
    return 0;
}

static int answer_blob(struct request *request, const struct registry_caller *caller,
                       struct error *err)
{
    const struct registry_blob blob = { .digest = request->ask.name,
                                        .size = request->ask.size,
                                        .offset = request->ask.offset,
                                        .until = request->ask.until,
                                        .part = request->ask.part,
                                        .sink = gather,
                                        .ctx = request };

    request->at = blob.offset;
    if (registry_blob(request->service->registry, caller, &blob, err) < 0)
        return -1;
    say_end(request, &(struct fetch_end){ 0 });
    return 0;
}

static int answer_login(struct request *request, const struct registry_caller *caller,
                        struct error *err)
{
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct fetch_end end = { 0 };

    if (registry_login(request->service->registry, caller, &login, err) < 0)
        return -1;
    end.asked = end.has_asked = login.asked;
    end.identity_token = login.identity_token;
    say_end(request, &end);
    return 0;
}

/* The open file lies in the channel since before the question. */
static int take_file(struct request *request, struct error *err)
{
    struct channel_heard heard;
    char kind[2];

    if (channel_receive(request->channel, kind, sizeof(kind), true, 0, &heard, err) < 0)
        return -1;
    request->file = heard.passed;
    if (heard.news != CHANNEL_PACKET || kind[0] != FETCH_FILE || heard.passed < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is no file to be sent");
    return 0;
}

static int answer_upload(struct request *request, const struct registry_caller *caller,
                         struct error *err)
{
    static const char *const words[] = { "nothing", "mounted", "bytes", "wanted" };
    struct registry_upload upload = { .digest = request->ask.name,
                                      .size = request->ask.size,
                                      .mount = request->ask.mount,
                                      .big = request->ask.big,
                                      .chunk = request->ask.chunk,
                                      .progress = count_sent,
                                      .ctx = request };
    enum registry_sent sent;

    if (!request->ask.look && take_file(request, err) < 0)
        return -1;
    upload.file = request->file;
    if (registry_upload(request->service->registry, caller, &upload, &sent, err) < 0)
        return -1;
    say_end(request, &(struct fetch_end){ .sent = words[sent] });
    return 0;
}

static int answer_put(struct request *request, const struct registry_caller *caller,
                      struct error *err)
{
    const struct fetch_ask *ask = &request->ask;
    struct registry_put put = { .name = ask->name,
                                .digest = ask->digest != NULL ? ask->digest : "",
                                .media_type = ask->media_type != NULL ? ask->media_type : "",
                                .size = ask->size,
                                .only_missing = ask->only_missing,
                                .tags = ask->tags };
    struct registry_kept kept;

    if (take_file(request, err) < 0)
        return -1;
    put.file = request->file;
    if (registry_put(request->service->registry, caller, &put, &kept, err) < 0)
        return -1;
    say_end(request, &(struct fetch_end){ SET(subject, kept.subject), SET(tags, kept.tags) });
    return 0;
}

static int answer_list(struct request *request, const struct registry_caller *caller,
                       struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    const struct registry_list list = {
        .subject = strcmp(request->ask.name, "tags") == 0 ? NULL : request->ask.name,
        .artifact_type = request->ask.artifact_type,
        .after = request->ask.after,
        .limit = request->ask.limit,
    };

    if (registry_list(request->service->registry, caller, &list, &document, err) < 0 ||
        gather(request, 0, document.bytes, document.size, err) < 0)
        return -1;
    say_end(request, &(struct fetch_end){ 0 });
    return 0;
}

static int answer_certificates(struct request *request, const struct registry_caller *caller,
                               struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };

    if (registry_certificates(request->service->registry, caller, &document, err) < 0 ||
        gather(request, 0, document.bytes, document.size, err) < 0)
        return -1;
    say_end(request, &(struct fetch_end){ 0 });
    return 0;
}

static int answer_delete(struct request *request, const struct registry_caller *caller,
                         struct error *err)
{
    const struct fetch_ask *ask = &request->ask;

    if (registry_delete(request->service->registry, caller, ask->name, ask->blob, err) < 0)
        return -1;
    say_end(request, &(struct fetch_end){ 0 });
    return 0;
}

static int answer(struct request *request, struct error *err)
{
    static const struct {
        const char *what;
        int (*give)(struct request *request, const struct registry_caller *caller,
                    struct error *err);
    } answers[] = {
        { "manifest", answer_manifest }, { "blob", answer_blob }, { "login", answer_login },
        { "upload", answer_upload },     { "put", answer_put },   { "list", answer_list },
        { "delete", answer_delete },     { "certificates", answer_certificates },
    };
    const struct registry_caller caller = { .check = check, .note = note, .who = who, .ctx = request };

    if (request->service->registry == NULL) {
        *err = request->service->refused;
        return -1;
    }
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (strcmp(request->ask.what, answers[i].what) == 0)
            return answers[i].give(request, &caller, err);
    return error_set(err, ERROR_UNIMPLEMENTED, "gantry-fetch does not know %.40s",
                     request->ask.what);
}

static void request_run(void *ctx)
{
    CLEANUP(request_drop) struct request *request = ctx;
    struct error err = { 0 };

    if (answer(request, &err) < 0)
        say_error(request, &err);
}

/* ---- hearing ------------------------------------------------------------------------- */

static void open_registry(struct service *service, const struct fetch_open *open)
{
    const struct registry_options options = {
        .host = open->host,
        .repository = open->repository,
        .plain_http = open->plain_http,
        .path = open->path,
        .named = open->named,
        .headers = open->headers,
        .proxy = open->proxy,
        .username = open->username,
        .password = open->password,
        .identity_token = open->identity_token,
        .registry_token = open->registry_token,
        .blob_url = open->blob_url,
        .askable = open->askable,
        .ca_file = open->ca_file,
        .client_cert = open->client_cert,
        .client_key = open->client_key,
        .skip_verify = open->skip_verify,
        .user_agent = open->user_agent,
        .tries = (unsigned)open->tries,
        .backoff_ms = (unsigned)open->backoff_ms,
        .wait_max_ms = (unsigned)open->wait_max_ms,
        .connect_ms = (unsigned)open->connect_ms,
        .slow_bytes = (unsigned)open->slow_bytes,
        .slow_s = (unsigned)open->slow_s,
    };

    if (registry_open(&service->registry, &options, &service->refused) < 0)
        service->registry = NULL;
}

static void secret_wipe(const char *secret)
{
    if (secret != NULL)
        memory_wipe((char *)(uintptr_t)secret, strlen(secret));
}

static int take_open(struct service *service, char *packet, size_t size, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct fetch_open open;

    if (fetch_packet_read(FETCH_OPEN, packet, size, &open, arena, err) < 0)
        return -1;
    open_registry(service, &open);
    secret_wipe(open.password);
    secret_wipe(open.identity_token);
    secret_wipe(open.registry_token);
    secret_wipe(open.headers);
    memory_wipe(packet, size);
    return 0;
}

/* The channel is the request's from here on. */
static int take_ask(struct service *service, int channel, const char *packet, size_t size,
                    struct error *err)
{
    CLEANUP(request_drop) struct request *request = calloc(1, sizeof(*request));
    struct request *started = request;

    if (request == NULL) {
        file_close(&channel);
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a request");
    }
    request->service = service;
    request->channel = channel;
    request->file = -1;
    request->arena = arena_new();
    if (fetch_packet_read(FETCH_ASK, packet, size, &request->ask, request->arena, err) < 0 ||
        thread_detach(request_run, started, err) < 0)
        return -1;
    request = NULL; /* the thread has it */
    return 0;
}

int serve_requests(int channel, struct error *err)
{
    static struct service service; /* threads outlive this call */
    static char packet[FETCH_PACKET_MAX];
    struct channel_heard heard;
    bool is_open = false;

    for (;;) {
        if (channel_receive(channel, packet, sizeof(packet), true, -1, &heard, err) < 0)
            return -1;
        if (heard.news == CHANNEL_CLOSED)
            return 0;
        if (!is_open && take_open(&service, packet, heard.size, err) < 0)
            return -1;
        if (is_open && heard.passed < 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "a request without a channel");
        if (is_open && take_ask(&service, heard.passed, packet, heard.size, err) < 0)
            return -1;
        is_open = true;
    }
}
