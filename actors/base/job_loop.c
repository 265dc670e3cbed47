/* Jobs that an actor's loop has started: for a request, or in the background. */
#include "actors/base/job_private.h"
#include "actors/base/log.h"
#include "platform/platform.h"

static void handle_end(struct job_handle *handle)
{
    struct loop *loop = handle->loop;

    zloop_reader_end(loop->zloop, zactor_sock(handle->thread));
    crew_release(loop, &handle->thread);
    loop->jobs--;
    atomic_store(&loop->stats->jobs, loop->jobs);
    for (struct job_handle **at = &loop->background; *at != NULL; at = &(*at)->next)
        if (*at == handle) {
            *at = handle->next;
            break;
        }
    free(handle->in);
    free(handle);
}

static void background_end(struct job_handle *handle, const char *kind, zframe_t *body)
{
    struct arena *arena = arena_new();
    struct error err = { 0 };
    struct failure failure;

    if (streq(kind, "error") &&
        wire_unframe(body, failure_record(), RECORD_LENIENT, &failure, arena, &err) == 0)
        wire_error(&failure, &err);
    if (handle->done != NULL)
        handle->done(handle->loop->self, handle->in, err.code != ERROR_NONE ? &err : NULL);
    else if (err.code != ERROR_NONE)
        log_warn(handle->loop->actor->name, "background job: %s", err.text);
    arena_free(arena);
}

static bool is_final(const char *kind)
{
    return streq(kind, "reply") || streq(kind, "error");
}

/* False: that was the last of it, the handle is gone. */
static bool take_news(struct job_handle *handle, zsock_t *pipe)
{
    zmsg_t *msg = zmsg_recv(pipe);
    char kind[16], stream[STREAM_ROOM], flag[24];
    zframe_t *body;
    bool final;

    ORDER_AFTER_RECEIVE();
    if (msg == NULL || zmsg_size(msg) != 4) { /* the thread's farewell signal */
        zmsg_destroy(&msg);
        return true;
    }
    snprintf(kind, sizeof(kind), "%.*s", (int)zframe_size(zmsg_first(msg)), (char *)zframe_data(zmsg_first(msg)));
    body = zmsg_next(msg);
    snprintf(stream, sizeof(stream), "%.*s", (int)zframe_size(body), (char *)zframe_data(body));
    body = zmsg_next(msg);
    snprintf(flag, sizeof(flag), "%.*s", (int)zframe_size(body), (char *)zframe_data(body));
    body = zmsg_last(msg);
    zmsg_remove(msg, body);
    final = is_final(kind);
    if (!final) {
        if (handle->request != NULL)
            request_send_flagged(handle->request, kind, stream[0] ? stream : NULL, flag, &body);
    } else if (handle->request != NULL) {
        struct request *request = handle->request;

        request->job = NULL;
        handle_end(handle);
        request_finish(request, kind, &body);
    } else {
        background_end(handle, kind, body);
        handle_end(handle);
    }
    zframe_destroy(&body);
    zmsg_destroy(&msg);
    return !final;
}

/* Several at a time: each turn of the loop looks at all of its sockets. */
static int on_news(zloop_t *zloop, zsock_t *pipe, void *arg)
{
    (void)zloop;
    for (int i = 0; i < 16 && take_news(arg, pipe) && (zsock_events(pipe) & ZMQ_POLLIN); i++)
        ;
    return 0;
}

static int handle_start(struct job_handle *handle, struct error *err)
{
    struct loop *loop = handle->loop;

    handle->birth.context.self = loop->self;
    handle->birth.context.actor = loop->actor->name;
    handle->thread = crew_call(loop, &handle->birth);
    if (handle->thread == NULL) {
        free(handle->in);
        free(handle);
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no thread for another job");
    }
    loop->jobs++;
    atomic_store(&loop->stats->jobs, loop->jobs);
    zloop_reader(loop->zloop, zactor_sock(handle->thread), on_news, handle);
    zloop_reader_set_tolerant(loop->zloop, zactor_sock(handle->thread));
    return 0;
}

static void context_set(struct context *context, const char *namespace, const char *lease, int64_t deadline)
{
    snprintf(context->namespace, sizeof(context->namespace), "%s", namespace);
    snprintf(context->lease, sizeof(context->lease), "%s", lease ? lease : "");
    context->deadline = deadline;
}

int request_run(struct request *request, job_body *body, struct error *err)
{
    return request_run_on(request, body, request->body, err);
}

int request_run_on(struct request *request, job_body *body, const void *in, struct error *err)
{
    struct job_handle *handle = zmalloc(sizeof(*handle));

    handle->loop = request->loop;
    handle->request = request;
    handle->birth.body = body;
    handle->birth.in = in;
    handle->birth.reply = request->route->op->reply();
    context_set(&handle->birth.context, request_namespace(request), request_lease(request), request->deadline);
    if (request->loop->stopping || request->cancelled != ERROR_NONE) {
        free(handle);
        return request->cancelled != ERROR_NONE
                   ? error_set(err, request->cancelled, "given up before its work began")
                   : error_set(err, ERROR_UNAVAILABLE, "the daemon is stopping");
    }
    if (handle_start(handle, err) < 0)
        return -1;
    request->job = handle;
    return 0;
}

int loop_run(struct loop *loop, const char *namespace, job_body *body, job_done *done, const void *in,
             size_t size, struct error *err)
{
    struct job_handle *handle = zmalloc(sizeof(*handle));

    handle->loop = loop;
    handle->done = done;
    handle->in = zmalloc(size + 1);
    if (size > 0)
        memcpy(handle->in, in, size);
    handle->birth.body = body;
    handle->birth.in = handle->in;
    context_set(&handle->birth.context, namespace ? namespace : "default", NULL, 0);
    if (loop->stopping) {
        free(handle->in);
        free(handle);
        return error_set(err, ERROR_UNAVAILABLE, "the daemon is stopping");
    }
    if (handle_start(handle, err) < 0)
        return -1;
    handle->next = loop->background;
    loop->background = handle;
    return 0;
}

void jobs_cancel_background(struct loop *loop)
{
    for (struct job_handle *handle = loop->background; handle != NULL; handle = handle->next)
        job_cancel(handle, ERROR_UNAVAILABLE);
}

void job_cancel(struct job_handle *job, enum error_code why)
{
    order_send(job->thread, &(struct order){ .kind = ORDER_CANCEL, .why = why });
}

void job_deliver(struct job_handle *job, struct message **message)
{
    order_send(job->thread, &(struct order){ .kind = ORDER_MESSAGE, .message = *message });
    *message = NULL;
}
