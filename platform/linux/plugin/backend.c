/*
 * backend — the way of a call: packed, sent, judged, tried again, and remembered how it went.
 *
 * The answers of a plugin are a stranger's bytes: a message is at most 16 MiB (grpc.h), and
 * what it becomes in memory is bounded, too.
 */
#include "platform/linux/plugin/backend_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/linux/plugin/grpc.h"
#include "platform/linux/plugin/snapshots.pb-c.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define SERVICE       "containerd.services.snapshots.v1.Snapshots"
#define MEMORY_MAX    (96u << 20) /* of one message, unpacked */
#define BACKOFF_MS    100
#define BACKOFF_SLICE 20 /* ms between looks at the caller's wish to stop */
#define NS_PER_MS     INT64_C(1000000)

struct backend {
    char name[128];
    char address[GRPC_ADDRESS_MAX + 1];
    int64_t timeout_ms;
    struct grpc *grpc;

    pthread_mutex_t lock; /* of what follows */
    struct backend_health health;
    bool is_known;     /* it has answered, and has not been given up since */
    unsigned failures; /* to reach it, in a row */
    int64_t pause_end; /* monotonic ns: nobody tries before */
};

struct backend *backend_new(const struct backend_config *config)
{
    struct backend *backend = calloc(1, sizeof(*backend));

    if (backend == NULL)
        abort(); /* as arenas do */
    snprintf(backend->name, sizeof(backend->name), "%s", config->name);
    snprintf(backend->address, sizeof(backend->address), "%s", config->address);
    backend->timeout_ms = config->timeout_ms;
    backend->grpc = grpc_new(config->address);
    pthread_mutex_init(&backend->lock, NULL);
    return backend;
}

void backend_free(struct backend **backend)
{
    if (*backend == NULL)
        return;
    grpc_free(&(*backend)->grpc);
    pthread_mutex_destroy(&(*backend)->lock);
    free(*backend);
    *backend = NULL;
}

const char *backend_name(const struct backend *backend)
{
    return backend->name;
}

void backend_health(struct backend *backend, struct backend_health *health)
{
    pthread_mutex_lock(&backend->lock);
    *health = backend->health;
    pthread_mutex_unlock(&backend->lock);
}

/* ---- messages --------------------------------------------------------------------------- */

struct purse {
    ProtobufCAllocator calls;
    size_t left;
};

static void *purse_take(void *self, size_t size)
{
    struct purse *purse = self;

    if (size > purse->left)
        return NULL;
    purse->left -= size;
    return malloc(size);
}

static void purse_give(void *self, void *memory)
{
    (void)self;
    free(memory);
}

struct answer {
    struct backend_call *call;
    size_t count;
};

static int answer_take(void *ctx, const void *bytes, size_t size, struct error *err)
{
    struct answer *answer = ctx;
    struct purse purse = { { purse_take, purse_give, &purse }, MEMORY_MAX };
    ProtobufCMessage *message;
    int result;

    if (answer->count++ > 0 && !answer->call->is_stream)
        return error_set(err, ERROR_INTERNAL, "it answers with more than one message");
    message = protobuf_c_message_unpack(answer->call->answer, &purse.calls, size, bytes);
    if (message == NULL)
        return error_set(err, ERROR_INTERNAL, "its answer is not the message it should be");
    result = answer->call->take != NULL ? answer->call->take(answer->call->ctx, message, err) : 0;
    protobuf_c_message_free_unpacked(message, &purse.calls);
    return result;
}

/* ---- how it went ------------------------------------------------------------------------------
 */

/* What a caller reckons with; anything else is a problem of the plugin. */
static bool is_expected(enum error_code code)
{
    return code == ERROR_NOT_FOUND || code == ERROR_ALREADY_EXISTS ||
           code == ERROR_FAILED_PRECONDITION || code == ERROR_UNIMPLEMENTED ||
           code == ERROR_CANCELLED;
}

static void problem_note(struct backend *backend, const struct error *err)
{
    snprintf(backend->health.problem, sizeof(backend->health.problem), "%s", err->text);
    backend->health.problem_time = clock_now();
}

static void failure_note(struct backend *backend)
{
    int64_t pause = BACKOFF_MS;

    for (unsigned i = 0; i < backend->failures && pause < BACKEND_BACKOFF_MAX_MS; i++)
        pause *= 2;
    if (pause > BACKEND_BACKOFF_MAX_MS)
        pause = BACKEND_BACKOFF_MAX_MS;
    backend->failures++;
    backend->pause_end = clock_monotonic() + pause * NS_PER_MS;
}

static void outcome_note(struct backend *backend, const struct grpc_call *sent, int result,
                         const struct error *err)
{
    bool is_refused = result < 0 && err->code == ERROR_UNAVAILABLE;

    pthread_mutex_lock(&backend->lock);
    if (result == 0 || (sent->is_answered && !is_refused)) {
        backend->health.state = BACKEND_OK;
        backend->is_known = true;
        backend->failures = 0;
    } else if (is_refused) {
        backend->health.state = sent->is_absent ? BACKEND_CONNECTING : BACKEND_ERROR;
        failure_note(backend);
    } else if (err->code != ERROR_CANCELLED) {
        backend->health.state = BACKEND_ERROR;
    }
    if (result < 0 && !is_expected(err->code))
        problem_note(backend, err);
    pthread_mutex_unlock(&backend->lock);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

/* A failure in words: what was asked of whom. */
static int failed(const struct backend *backend, const struct backend_call *call, struct error *err)
{
    if (call->key != NULL)
        error_wrap(err, "%s %.120s", call->method, call->key);
    else
        error_wrap(err, "%s", call->method);
    return error_wrap(err, "snapshot plugin %s (%s)", backend->name, backend->address);
}

static int send_once(const struct backend_asker *asker, struct backend_call *call,
                     const struct buffer *request, struct error *err)
{
    struct backend *backend = asker->backend;
    struct answer answer = { .call = call };
    char method[128];
    struct grpc_call sent = {
        .method = method,
        .request = request->data,
        .request_size = request->size,
        .namespace = asker->namespace,
        .timeout_ms = backend->timeout_ms,
        .take = answer_take,
        .ctx = &answer,
        .check = asker->check,
        .check_ctx = asker->ctx,
    };
    int result;

    snprintf(method, sizeof(method), SERVICE "/%s", call->method);
    call->tries++;
    result = grpc_call(backend->grpc, &sent, err);
    call->has_begun = call->is_stream && answer.count > 0;
    if (result == 0 && answer.count == 0 && !call->is_stream)
        result = error_set(err, ERROR_INTERNAL, "it answers without a message");
    if (result < 0)
        failed(backend, call, err);
    call->is_absent = sent.is_absent;
    if (result == 0 || !call->is_optional || sent.is_answered || sent.is_absent)
        outcome_note(backend, &sent, result, err);
    return result;
}

/* How long nobody tries, in ns; and whether it is worth waiting for. */
static int64_t pause_left(struct backend *backend, bool *is_known)
{
    int64_t left;

    pthread_mutex_lock(&backend->lock);
    left = backend->failures > 0 ? backend->pause_end - clock_monotonic() : 0;
    *is_known = backend->is_known;
    pthread_mutex_unlock(&backend->lock);
    return left;
}

static int pause_wait(const struct backend_asker *asker, int64_t ns, struct error *err)
{
    const struct timespec slice = { .tv_nsec = BACKOFF_SLICE * NS_PER_MS };
    int64_t until = clock_monotonic() + ns;

    while (clock_monotonic() < until) {
        if (asker->check != NULL && asker->check(asker->ctx, err) < 0)
            return -1;
        nanosleep(&slice, NULL);
    }
    return 0;
}

/* It was waited for long enough: from now on it has to be there at once. */
static int give_up(struct backend *backend)
{
    pthread_mutex_lock(&backend->lock);
    backend->is_known = false;
    pthread_mutex_unlock(&backend->lock);
    return -1;
}

/* Nobody tries now: what the last one has heard. */
static int told_already(struct backend *backend, int64_t ns, struct error *err)
{
    struct backend_health health;

    backend_health(backend, &health);
    error_set(err, ERROR_UNAVAILABLE, "%s", health.problem);
    err->retry_ms = (uint64_t)(ns / NS_PER_MS + 1);
    return -1;
}

static int send_patiently(const struct backend_asker *asker, struct backend_call *call,
                          const struct buffer *request, struct error *err)
{
    struct backend *backend = asker->backend;
    int64_t until = clock_monotonic() + BACKEND_PATIENCE_MS * NS_PER_MS;
    bool is_known;

    for (;;) {
        int64_t pause = pause_left(backend, &is_known);

        if (pause > 0 && !is_known)
            return call->tries > 0 ? -1 : told_already(backend, pause, err);
        if (pause > 0 && pause_wait(asker, pause, err) < 0)
            return -1;
        if (send_once(asker, call, request, err) == 0)
            return 0;
        if (err->code != ERROR_UNAVAILABLE || call->has_begun || call->is_optional)
            return -1;
        if (clock_monotonic() > until)
            return give_up(backend);
    }
}

int backend_call(const struct backend_asker *asker, struct backend_call *call, struct error *err)
{
    struct buffer request = { 0 };
    size_t size = protobuf_c_message_get_packed_size(call->request);
    int result;

    if (hook_platform_call("ask a plugin", err))
        return failed(asker->backend, call, err);
    request.data = malloc(size + 1);
    if (request.data == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    request.size = protobuf_c_message_pack(call->request, (uint8_t *)request.data);
    result = send_patiently(asker, call, &request, err);
    buffer_free(&request);
    return result;
}
