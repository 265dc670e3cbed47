/*
 * grpc — see grpc.h.  A line is one connection: curl's multi handle, which keeps it.  A line whose
 * call broke off is closed; any other is kept for the next call.
 */
#include "platform/linux/plugin/grpc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "platform/linux/plugin/curl_library.h"
#include "platform/linux/plugin/grpc_frames.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define CHECK_MS     100
#define GRACE_MS     500 /* so much later than the server gives up, we do */
#define LINES_KEPT   4
#define HEADERS_MAX  (64u << 10)
#define MESSAGE_SIZE 4096 /* of what is kept of a grpc-message */

struct line {
    struct line *next;
    CURLM *multi;
    bool is_used; /* it has its connection, and gets no other */
};

struct grpc {
    char address[GRPC_ADDRESS_MAX + 1];
    pthread_mutex_t lock; /* of what follows */
    struct line *idle;
    size_t idle_count;
};

/* A call under way. */
struct talk {
    const struct curl_library *curl;
    struct grpc_call *call;
    struct line *line;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer body;
    struct frames frames;
    struct error *err;
    bool has_failed; /* err says why: what came was refused */
    bool is_grpc;    /* its content type says so */
    size_t header_bytes;
    bool has_status;
    unsigned long status;
    char message[MESSAGE_SIZE];
};

struct grpc *grpc_new(const char *address)
{
    struct grpc *grpc = calloc(1, sizeof(*grpc));

    if (grpc == NULL)
        abort(); /* as arenas do */
    snprintf(grpc->address, sizeof(grpc->address), "%s", address);
    pthread_mutex_init(&grpc->lock, NULL);
    return grpc;
}

/* ---- lines ------------------------------------------------------------------------------ */

static void line_close(const struct curl_library *curl, struct line *line)
{
    if (line->multi != NULL)
        curl->multi_cleanup(line->multi);
    free(line);
}

void grpc_free(struct grpc **grpc)
{
    struct error ignored;

    while (*grpc != NULL && (*grpc)->idle != NULL) {
        struct line *line = (*grpc)->idle;

        (*grpc)->idle = line->next;
        line_close(curl_library(&ignored), line);
    }
    if (*grpc != NULL)
        pthread_mutex_destroy(&(*grpc)->lock);
    free(*grpc);
    *grpc = NULL;
}

static struct line *line_new(const struct curl_library *curl)
{
    struct line *line = calloc(1, sizeof(*line));

    if (line == NULL)
        return NULL;
    line->multi = curl->multi_init();
    if (line->multi != NULL)
        return line;
    line_close(curl, line);
    return NULL;
}

static struct line *line_take(struct grpc *grpc, const struct curl_library *curl)
{
    struct line *line;

    pthread_mutex_lock(&grpc->lock);
    line = grpc->idle;
    if (line != NULL) {
        line->is_used = true;
        grpc->idle = line->next;
        grpc->idle_count--;
    }
    pthread_mutex_unlock(&grpc->lock);
    return line != NULL ? line : line_new(curl);
}

static void line_drop(struct grpc *grpc, const struct curl_library *curl, struct line *line,
                      bool is_well)
{
    pthread_mutex_lock(&grpc->lock);
    is_well = is_well && grpc->idle_count < LINES_KEPT;
    if (is_well) {
        line->next = grpc->idle;
        grpc->idle = line;
        grpc->idle_count++;
    }
    pthread_mutex_unlock(&grpc->lock);
    if (!is_well)
        line_close(curl, line);
}

/* ---- what comes ------------------------------------------------------------------------- */

/* The value of a header line, NULL when it is another's. */
static const char *value_of(char *text, const char *name)
{
    size_t length = strlen(name);

    if (strncasecmp(text, name, length) != 0 || text[length] != ':')
        return NULL;
    text += length + 1;
    return text + strspn(text, " \t");
}

static void header_read(struct talk *talk, char *text)
{
    const char *value;

    if (strncmp(text, "HTTP/", 5) == 0)
        talk->is_grpc = talk->has_status = false;
    else if ((value = value_of(text, "content-type")) != NULL)
        talk->is_grpc = strncmp(value, "application/grpc", 16) == 0;
    else if ((value = value_of(text, "grpc-message")) != NULL)
        snprintf(talk->message, sizeof(talk->message), "%s", value);
    else if ((value = value_of(text, "grpc-status")) != NULL) {
        char *end;

        talk->status = strtoul(value, &end, 10);
        talk->has_status = end != value;
    }
}

/* Of the headers, of trailers, and of an answer that has only the latter: curl hands all of them
 * here. */
static size_t on_header(char *bytes, size_t one, size_t size, void *ctx)
{
    struct talk *talk = ctx;
    char text[MESSAGE_SIZE];

    (void)one;
    talk->header_bytes += size;
    if (talk->header_bytes > HEADERS_MAX) {
        talk->has_failed = true;
        error_set(talk->err, ERROR_RESOURCE_EXHAUSTED,
                  "it answers with more than %u bytes of headers", HEADERS_MAX);
        return 0;
    }
    snprintf(text, sizeof(text), "%.*s", (int)size, bytes);
    text[strcspn(text, "\r\n")] = '\0';
    header_read(talk, text);
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *ctx)
{
    struct talk *talk = ctx;

    (void)one;
    if (!talk->is_grpc) /* somebody's page; the status says what it is */
        return size;
    if (frames_add(&talk->frames, bytes, size, talk->err) == 0)
        return size;
    talk->has_failed = true;
    return 0;
}

/* ---- what goes -------------------------------------------------------------------------- */

static int header_add(struct talk *talk, const char *text, struct error *err)
{
    struct curl_slist *longer = talk->curl->slist_append(talk->headers, text);

    if (longer == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    talk->headers = longer;
    return 0;
}

static int headers_make(struct talk *talk, struct error *err)
{
    static const char *const plain[] = { "content-type: application/grpc", "te: trailers",
                                         "user-agent: gantry/" GANTRY_VERSION, "accept:" };
    char text[300];

    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (header_add(talk, plain[i], err) < 0)
            return -1;
    /* at most eight digits, PROTOCOL-HTTP2.md */
    if (talk->call->timeout_ms <= 99999999)
        snprintf(text, sizeof(text), "grpc-timeout: %lldm", (long long)talk->call->timeout_ms);
    else
        snprintf(text, sizeof(text), "grpc-timeout: 99999999m");
    if (header_add(talk, text, err) < 0)
        return -1;
    if (talk->call->namespace == NULL)
        return 0;
    snprintf(text, sizeof(text), "containerd-namespace: %s", talk->call->namespace);
    return header_add(talk, text, err);
}

static void body_make(struct talk *talk)
{
    unsigned char prefix[FRAME_PREFIX];

    frame_prefix(prefix, talk->call->request_size);
    buffer_add(&talk->body, prefix, sizeof(prefix));
    buffer_add(&talk->body, talk->call->request, talk->call->request_size);
}

/* For a line whose connection is gone: who calls takes another line. */
static curl_socket_t no_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)ctx, (void)purpose, (void)address;
    return CURL_SOCKET_BAD;
}

/* libcurl 7.88 begins a second HTTP/2 on a connection that has one (curl issue 10634) when it is
   told what it knows already. */
static long http_version(const struct talk *talk)
{
    unsigned version = talk->curl->version_info(CURLVERSION_NOW)->version_num;
    bool is_odd = version >= 0x075800 && version < 0x080000;

    return talk->line->is_used && is_odd ? CURL_HTTP_VERSION_NONE
                                         : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

#define SET_OPTION(option, value) talk->curl->easy_setopt(talk->easy, option, value)

static void options_set(const struct grpc *grpc, struct talk *talk)
{
    char url[256];

    snprintf(url, sizeof(url), "http://localhost/%s", talk->call->method);
    SET_OPTION(CURLOPT_URL, url);
    SET_OPTION(CURLOPT_UNIX_SOCKET_PATH, grpc->address);
    SET_OPTION(CURLOPT_PROXY, ""); /* whatever the environment says */
    SET_OPTION(CURLOPT_HTTP_VERSION, http_version(talk));
    if (talk->line->is_used)
        SET_OPTION(CURLOPT_OPENSOCKETFUNCTION, no_socket);
    SET_OPTION(CURLOPT_NOSIGNAL, 1L);
    SET_OPTION(CURLOPT_POST, 1L);
    SET_OPTION(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)talk->body.size);
    SET_OPTION(CURLOPT_POSTFIELDS, talk->body.data);
    SET_OPTION(CURLOPT_HTTPHEADER, talk->headers);
    SET_OPTION(CURLOPT_HEADERFUNCTION, on_header);
    SET_OPTION(CURLOPT_HEADERDATA, talk);
    SET_OPTION(CURLOPT_WRITEFUNCTION, on_body);
    SET_OPTION(CURLOPT_WRITEDATA, talk);
}

/* ---- the way there and back ------------------------------------------------------------- */

static int pause_check(struct talk *talk, int64_t until, struct error *err)
{
    const struct grpc_call *call = talk->call;

    if (call->check != NULL && call->check(call->check_ctx, err) < 0)
        return -1;
    if (clock_monotonic() < until)
        return 0;
    return error_set(err, ERROR_DEADLINE_EXCEEDED, "no answer within %lld.%01lld s",
                     (long long)call->timeout_ms / 1000, (long long)call->timeout_ms / 100 % 10);
}

/* How curl says it ended; -1: we have ended it. */
static int carry(struct talk *talk, CURLcode *code, struct error *err)
{
    const struct curl_library *curl = talk->curl;
    int64_t until = clock_monotonic() + (talk->call->timeout_ms + GRACE_MS) * 1000000;
    CURLMsg *message;
    int running = 1, left;

    for (;;) {
        if (curl->multi_perform(talk->line->multi, &running) != CURLM_OK)
            return error_set(err, ERROR_INTERNAL, "libcurl fails");
        if (running == 0)
            break;
        if (pause_check(talk, until, err) < 0)
            return -1;
        /* of what came, curl may have kept some: the socket is silent then, and it has to be asked
         */
        curl->multi_poll(talk->line->multi, NULL, 0, CHECK_MS, NULL);
    }
    *code = CURLE_FAILED_INIT;
    while ((message = curl->multi_info_read(talk->line->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            *code = message->data.result;
    return 0;
}

/* http-grpc-status-mapping.md */
static int http_refusal(long status, struct error *err)
{
    enum error_code code = status == 401                        ? ERROR_UNAUTHENTICATED
                           : status == 403                      ? ERROR_PERMISSION_DENIED
                           : status == 404                      ? ERROR_UNIMPLEMENTED
                           : status == 429 || status / 100 == 5 ? ERROR_UNAVAILABLE
                                                                : ERROR_INTERNAL;

    return error_set(err, code, "it answers with HTTP status %ld: is it a gRPC server?", status);
}

static int status_take(struct talk *talk, struct error *err)
{
    char text[256];

    if (talk->status == 0 && frames_are_whole(&talk->frames))
        return 0;
    if (talk->status == 0)
        return error_set(err, ERROR_UNAVAILABLE, "it broke off in the middle of its answer");
    grpc_text(talk->message, text, sizeof(text));
    return error_set(err, grpc_code(talk->status), "%s",
                     text[0] != '\0' ? text : "it does not say why");
}

static int broken(const struct talk *talk, CURLcode code, struct error *err)
{
    talk->call->is_absent = code == CURLE_COULDNT_CONNECT;
    if (talk->call->is_absent)
        return error_set(err, ERROR_UNAVAILABLE, "nobody listens there");
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY ||
        code == CURLE_HTTP2)
        return error_set(err, ERROR_UNAVAILABLE, "who listens there does not speak gRPC (%s)",
                         talk->curl->easy_strerror(code));
    return error_set(err, ERROR_UNAVAILABLE, "it broke off (%s)", talk->curl->easy_strerror(code));
}

/* A server that has refused may reset the stream without reading what was sent: a status that is
   there counts more than what curl thinks of the stream. */
static int judge(struct talk *talk, CURLcode code, struct error *err)
{
    long status = 0;

    if (talk->has_failed)
        return -1; /* err is set */
    talk->curl->easy_getinfo(talk->easy, CURLINFO_RESPONSE_CODE, &status);
    talk->call->is_answered = talk->has_status;
    if (talk->has_status)
        return status_take(talk, err);
    if (code != CURLE_OK)
        return broken(talk, code, err);
    if (status != 200)
        return http_refusal(status, err);
    return error_set(err, ERROR_INTERNAL, "its answer has no grpc-status: is it a gRPC server?");
}

static int talk_on(struct grpc *grpc, struct talk *talk, bool *is_well, struct error *err)
{
    CURLcode code = CURLE_OK;
    int result;

    talk->easy = talk->curl->easy_init();
    if (talk->easy == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    if (headers_make(talk, err) < 0)
        return -1;
    body_make(talk);
    options_set(grpc, talk);
    if (talk->curl->multi_add_handle(talk->line->multi, talk->easy) != CURLM_OK)
        return error_set(err, ERROR_INTERNAL, "libcurl takes no call");
    result = carry(talk, &code, err);
    *is_well = result == 0 && !talk->has_failed && (code == CURLE_OK || talk->has_status);
    if (result == 0)
        result = judge(talk, code, err);
    talk->curl->multi_remove_handle(talk->line->multi, talk->easy);
    return result;
}

/* 1: the line was dead, and nothing was sent. */
static int talk_once(struct grpc *grpc, struct talk *talk, struct error *err)
{
    bool is_well = false, was_used;
    int result;

    talk->line = line_take(grpc, talk->curl);
    if (talk->line == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    was_used = talk->line->is_used;
    result = talk_on(grpc, talk, &is_well, err);
    if (talk->easy != NULL)
        talk->curl->easy_cleanup(talk->easy);
    talk->easy = NULL;
    line_drop(grpc, talk->curl, talk->line, is_well);
    talk->curl->slist_free_all(talk->headers);
    talk->headers = NULL;
    buffer_free(&talk->body);
    return result < 0 && was_used && talk->call->is_absent ? 1 : result;
}

int grpc_call(struct grpc *grpc, struct grpc_call *call, struct error *err)
{
    struct talk talk = { .call = call,
                         .err = err,
                         .frames = { .take = call->take, .ctx = call->ctx } };
    int result;

    call->is_answered = call->is_absent = false;
    talk.curl = curl_library(err);
    if (talk.curl == NULL)
        return -1;
    if (call->request_size > GRPC_MESSAGE_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "a request of %zu bytes, at most %u go",
                         call->request_size, GRPC_MESSAGE_MAX);
    while ((result = talk_once(grpc, &talk, err)) > 0)
        ;
    frames_free(&talk.frames);
    return result;
}
