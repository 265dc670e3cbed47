/*
 * http — the transfer loop around curl's multi interface.  curl answers through the callbacks;
 * whatever one of them refuses ends the transfer, and `stopped` tells that the error is theirs.
 */
#include "actors/images/registry/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/authorities.h"
#include "actors/images/registry/http_headers.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define CHECK_MS         100
#define HEADER_BYTES_MAX (128u << 10)
#define RECEIVE_BYTES    (128L << 10)
#define HEADER_MAX       8192 /* of one that the operator adds */
#define SEND_BYTES       (256L << 10)
#define UNASKED_BYTES    (64u << 10)
#define PATIENCE         10 /* times longer than for bytes: a registry hashes and copies what it got */

struct http {
    CURLM *multi;
    CURL *easy;
    const struct registry_options *options; /* the registry's; outlives this */
    struct http_answer answer;
    char *authorities; /* all files of them, where there are several; NULL: at most one */
    const struct client_certs *certs; /* NULL: none */
    struct client_certs_turn turn;    /* of the newest connection */

    /* of the transfer under way */
    const struct http_request *get;
    struct error *err;
    size_t header_bytes;
    bool begun;
    bool stopped;    /* err says why */
    bool enough;     /* of a body that nobody waits for */
    uint64_t sent;   /* of the body */
    bool is_patient; /* all is sent: the registry may think it over */
    int64_t checked;
};

/* One would do, and there is none. */
static int check_certs(const struct client_certs *certs, struct error *err)
{
    if (certs == NULL || client_certs_count(certs) < 2 || client_certs_first(certs) >= 0)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "none of %zu certificates can be shown: %.120s: %.120s",
                     client_certs_count(certs), client_certs_file(certs, 0),
                     client_certs_words(certs, 0));
}

int http_open(struct http **http, const struct registry_options *options,
              const struct client_certs *certs, struct error *err)
{
    struct http *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a connection");
    self->options = options;
    self->certs = certs;
    self->multi = curl_multi_init();
    self->easy = curl_easy_init();
    if (self->multi == NULL || self->easy == NULL) {
        http_close(&self);
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a connection");
    }
    if ((options->ca_file != NULL && strchr(options->ca_file, '\n') != NULL &&
         authorities_read(options->ca_file, &self->authorities, err) < 0) ||
        check_certs(certs, err) < 0) {
        http_close(&self);
        return -1;
    }
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, 4L);
    *http = self;
    return 0;
}

void http_close(struct http **http)
{
    struct http *self = *http;

    *http = NULL;
    if (self == NULL)
        return;
    curl_easy_cleanup(self->easy);
    curl_multi_cleanup(self->multi);
    free(self->answer.location);
    free(self->authorities);
    free(self);
}

const struct http_answer *http_answer(const struct http *http)
{
    return &http->answer;
}

uint64_t http_sent(const struct http *http)
{
    return http->sent;
}

/* ---- what curl calls ------------------------------------------------------ */

static size_t on_header(char *line, size_t one, size_t count, void *ctx)
{
    struct http *http = ctx;
    size_t size = one * count;

    http->header_bytes += size;
    if (http->header_bytes > HEADER_BYTES_MAX)
        return 0;
    if (!http->begun) /* else a trailer: too late to mean anything */
        http_headers_add(&http->answer, line, size);
    return size;
}

static bool is_wanted(const struct http_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

static int body_begin(struct http *http)
{
    curl_off_t length = -1;
    long status = 0;

    if (http->begun)
        return 0;
    http->begun = true;
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(http->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    http->answer.status = (int)status;
    http->answer.length = length;
    if (!is_wanted(&http->answer) || http->get->begin == NULL)
        return 0;
    http->stopped = http->get->begin(http->get->ctx, &http->answer, http->err) < 0;
    return http->stopped ? -1 : 0;
}

/* Of a refusal its beginning is kept; when that is full, the rest is not waited for. */
static size_t text_add(struct http *http, const char *data, size_t size)
{
    struct http_answer *answer = &http->answer;
    size_t room = HTTP_TEXT_MAX - answer->text_size;
    size_t part = size < room ? size : room;

    memcpy(answer->text + answer->text_size, data, part);
    answer->text_size += part;
    answer->text[answer->text_size] = '\0';
    if (part == size)
        return size;
    http->enough = true;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *data, size_t one, size_t count, void *ctx)
{
    struct http *http = ctx;
    size_t size = one * count;

    if (body_begin(http) < 0)
        return CURL_WRITEFUNC_ERROR;
    if (!is_wanted(&http->answer))
        return text_add(http, data, size);
    if (http->get->data == NULL || http->get->data(http->get->ctx, data, size, http->err) == 0)
        return size;
    http->stopped = true;
    return CURL_WRITEFUNC_ERROR;
}

/* What is to be sent, from wherever the last call ended. */
static size_t on_send(char *room, size_t one, size_t count, void *ctx)
{
    struct http *http = ctx;
    const struct http_body *body = http->get->body;
    uint64_t left = body->size - http->sent;
    size_t part = left < one * count ? (size_t)left : one * count;
    int64_t got;

    if (part == 0)
        return 0;
    got = file_read_at(body->file, room, part, body->from + http->sent, http->err);
    if (got > 0) {
        http->sent += (uint64_t)got;
        return (size_t)got;
    }
    http->stopped = true;
    if (got == 0)
        error_set(http->err, ERROR_DATA_LOSS, "what is to be sent is shorter than it should be");
    else /* whatever our disk says is not about the registry */
        *http->err = (struct error){ .code = ERROR_DATA_LOSS };
    return CURL_READFUNC_ABORT;
}

/* Back to the beginning, when a kept connection turns out to be closed. */
static int on_seek(void *ctx, curl_off_t at, int origin)
{
    struct http *http = ctx;

    if (origin != SEEK_SET || at < 0 || (uint64_t)at > http->get->body->size)
        return CURL_SEEKFUNC_CANTSEEK;
    http->sent = (uint64_t)at;
    return CURL_SEEKFUNC_OK;
}

/* ---- one transfer ---------------------------------------------------------- */

/* Besides those of the system: curl reads its folder of them (CURLOPT_CAPATH) either way. */
static void set_authorities(struct http *http)
{
    struct curl_blob blob = { .data = http->authorities, .flags = CURL_BLOB_NOCOPY };

    if (http->authorities != NULL) {
        blob.len = strlen(http->authorities);
        curl_easy_setopt(http->easy, CURLOPT_CAINFO_BLOB, &blob);
    } else if (http->options->ca_file != NULL) {
        curl_easy_setopt(http->easy, CURLOPT_CAINFO, http->options->ca_file);
    }
}

/* Its handshakes pass our hands, too, and it is not to see what is for the host. */
static bool is_proxied_by_tls(const struct registry_options *options)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };

    if (options->proxy != NULL)
        return strncmp(options->proxy, "https:", 6) == 0;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && strncmp(value, "https:", 6) == 0)
            return true;
    }
    return false;
}

static CURLcode on_ssl(CURL *easy, void *ssl_ctx, void *ctx)
{
    struct http *http = ctx;

    (void)easy;
    client_certs_use(&http->turn, ssl_ctx);
    return CURLE_OK;
}

/* One is shown whatever the host says; of several, the one that it may believe. */
static void set_certificate(struct http *http)
{
    const struct client_certs *certs = http->certs;
    CURL *easy = http->easy;
    size_t first;

    if (certs == NULL)
        return;
    http->turn.certs = certs;
    if (client_certs_count(certs) > 1 && client_certs_can_choose() &&
        !is_proxied_by_tls(http->options) &&
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl) == CURLE_OK) {
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, http);
        return;
    }
    first = client_certs_count(certs) > 1 ? (size_t)client_certs_first(certs) : 0;
    curl_easy_setopt(easy, CURLOPT_SSLCERT, client_certs_file(certs, first));
    if (client_certs_key(certs, first) != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, client_certs_key(certs, first));
}

static void set_connection(struct http *http)
{
    const struct registry_options *options = http->options;
    CURL *easy = http->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)options->slow_bytes);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)options->slow_s);
    set_authorities(http);
    if (options->proxy != NULL) {
        curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy);
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    }
    set_certificate(http);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options->skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options->skip_verify ? 0L : 2L);
}

static struct curl_slist *add_headers(struct curl_slist *list, const char *lines)
{
    char line[HEADER_MAX];

    for (size_t size; lines != NULL && *lines != '\0'; lines += size + (lines[size] == '\n')) {
        size = strcspn(lines, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)size, lines);
        list = curl_slist_append(list, line);
        memory_wipe(line, sizeof(line));
    }
    return list;
}

static struct curl_slist *header_add(struct curl_slist *list, const char *name, const char *value)
{
    char line[1024];

    if (value == NULL)
        return list;
    snprintf(line, sizeof(line), "%s: %s", name, value);
    return curl_slist_append(list, line);
}

static struct curl_slist *header_list(const struct http_request *get)
{
    struct curl_slist *list = header_add(NULL, "Accept", get->accept);

    list = add_headers(list, get->headers);
    if (get->body == NULL)
        return list;
    /* curl would say that an empty body is a form */
    list = get->body->type != NULL ? header_add(list, "Content-Type", get->body->type)
                                   : curl_slist_append(list, "Content-Type:");
    /* curl would ask whether the body may come.  A small one costs less than that round trip; and
       docker-registry, where it takes no notice of a body, answers neither the question nor the
       request before it came: a second, until curl gives up waiting. */
    if (get->body->size <= UNASKED_BYTES)
        list = curl_slist_append(list, "Expect:");
    return header_add(list, "Content-Range", get->body->range);
}

static void set_body(struct http *http, const struct http_request *get)
{
    const struct http_body *body = get->body;
    CURL *easy = http->easy;

    if (body->size == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BYTES);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body->size);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, http);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, http);
}

static void set_method(struct http *http, const struct http_request *get)
{
    CURL *easy = http->easy;

    if (get->form != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, get->form); /* not copied */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(get->form));
    }
    if (get->body != NULL)
        set_body(http, get);
    if (get->method == NULL)
        return;
    if (strcmp(get->method, "HEAD") == 0)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, get->method);
}

static void set_range(CURL *easy, const struct http_request *get)
{
    char range[48];
    int used = snprintf(range, sizeof(range), "%llu-", (unsigned long long)get->from);

    if (get->until > 0)
        snprintf(range + used, sizeof(range) - (size_t)used, "%llu",
                 (unsigned long long)get->until - 1);
    if (get->from > 0 || get->until > 0)
        curl_easy_setopt(easy, CURLOPT_RANGE, range);
}

static void set_request(struct http *http, const struct http_request *get,
                        struct curl_slist *headers)
{
    CURL *easy = http->easy;

    curl_easy_setopt(easy, CURLOPT_URL, get->url);
    set_method(http, get);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->answer.reason);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    if (get->bearer != NULL) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, get->bearer);
    } else if (get->username != NULL) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, get->username);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, get->password);
    }
    set_range(easy, get);
}

static void answer_reset(struct http *http, const struct http_request *get)
{
    struct http_answer *answer = &http->answer;

    free(answer->location);
    memset(answer, 0, sizeof(*answer));
    answer->length = -1;
    answer->method = get->method != NULL ? get->method : get->form != NULL ? "POST" : "GET";
    snprintf(answer->url, sizeof(answer->url), "%s", get->url);
    answer->url[strcspn(answer->url, "?#")] = '\0'; /* queries hold signatures */
    http->get = get;
    http->header_bytes = 0;
    http->sent = 0;
    http->begun = http->stopped = http->enough = http->is_patient = false;
}

static int ask(struct http *http, const struct registry_caller *caller, struct error *err)
{
    int64_t now = clock_monotonic();

    if (caller == NULL || caller->check == NULL || now - http->checked < CHECK_MS / 2 * 1000000)
        return 0;
    http->checked = now;
    return caller->check(caller->ctx, err);
}

/* Between the last byte and the answer nothing moves, and that is no broken connection yet. */
static void have_patience(struct http *http)
{
    const struct http_body *body = http->get->body;

    if (http->is_patient || body == NULL || http->sent < body->size)
        return;
    http->is_patient = true;
    curl_easy_setopt(http->easy, CURLOPT_LOW_SPEED_TIME, (long)http->options->slow_s * PATIENCE);
}

static CURLcode perform(struct http *http, const struct registry_caller *caller)
{
    CURLMsg *message;
    int running = 1, left;

    http->checked = 0;
    while (running > 0) {
        if (ask(http, caller, http->err) < 0) {
            http->stopped = true;
            /* a name that is being looked up is left to its own thread */
            curl_easy_setopt(http->easy, CURLOPT_QUICK_EXIT, 1L);
            return CURLE_ABORTED_BY_CALLBACK;
        }
        if (curl_multi_perform(http->multi, &running) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
        have_patience(http);
        if (running > 0)
            curl_multi_poll(http->multi, NULL, 0, CHECK_MS, NULL);
    }
    message = curl_multi_info_read(http->multi, &left);
    return message != NULL && message->msg == CURLMSG_DONE ? message->data.result
                                                           : CURLE_OUT_OF_MEMORY;
}

/* Whether a connection was made, handshake included. */
static bool is_connected(const struct http *http)
{
    curl_off_t us = 0;

    curl_easy_getinfo(http->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

static enum http_fate fate_of(const struct http *http, CURLcode code)
{
    if (http->stopped)
        return HTTP_STOPPED;
    if (code == CURLE_OK || http->enough)
        return HTTP_ANSWERED;
    switch (code) {
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return HTTP_BROKEN;
    case CURLE_OPERATION_TIMEDOUT:
        return is_connected(http) ? HTTP_BROKEN : HTTP_UNREACHED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return HTTP_UNREACHED;
    default:
        return HTTP_FAILED;
    }
}

static void note_certificate(struct http *http)
{
    const struct client_certs_turn *turn = &http->turn;
    char *out = http->answer.certificate;
    size_t room = sizeof(http->answer.certificate);

    if (!turn->asked)
        return;
    if (turn->shown >= 0)
        snprintf(out, room, "it is shown %.100s",
                 client_certs_file(turn->certs, (size_t)turn->shown));
    else
        snprintf(out, room, "none of our %zu certificates is by %.80s",
                 client_certs_count(turn->certs),
                 turn->wants[0] != '\0' ? turn->wants : "a kind that it takes");
}

enum http_fate http_ask(struct http *http, const struct http_request *get,
                        const struct registry_caller *caller, struct error *err)
{
    struct curl_slist *headers = header_list(get);
    CURLcode code;

    answer_reset(http, get);
    http->err = err;
    curl_easy_reset(http->easy);
    set_connection(http);
    set_request(http, get, headers);
    curl_multi_add_handle(http->multi, http->easy);
    code = perform(http, caller);
    if (code == CURLE_OK) /* an empty body begins too */
        body_begin(http);
    curl_multi_remove_handle(http->multi, http->easy);
    curl_slist_free_all(headers);

    note_certificate(http);
    http->answer.curl = code;
    if (http->answer.reason[0] == '\0')
        snprintf(http->answer.reason, sizeof(http->answer.reason), "%s", curl_easy_strerror(code));
    return fate_of(http, code);
}

int http_wait(struct http *http, uint64_t ms, const struct registry_caller *caller,
              struct error *err)
{
    int64_t end = clock_monotonic() + (int64_t)ms * 1000000;
    int64_t left;

    http->checked = 0;
    for (;;) {
        if (ask(http, caller, err) < 0)
            return -1;
        left = (end - clock_monotonic() + 999999) / 1000000;
        if (left <= 0)
            return 0;
        curl_multi_poll(http->multi, NULL, 0, left < CHECK_MS ? (int)left : CHECK_MS, NULL);
    }
}
