/*
 * Attaching: a job per client, which pumps bytes between the shim and the client as
 * far as the client's credit goes.  With hold, not reading is how the container is
 * held back; without, the shim cuts off who falls behind.
 *
 * Every message on its way to the client wakes four threads, so packets of the shim are
 * gathered: what is there at once goes into one message.  After a packet that is as large
 * as packets get the next is waited for, a millisecond at most.
 */
#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/tasks/replay.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

#define INPUT_WINDOW (256u * 1024) /* bytes of standard input on their way */
#define FULL_WAIT_MS 5             /* before the shim is offered input again */
#define MORE_WAIT_MS 1             /* for the packet after a full one */
#define IDLE_MS      1000          /* before buffers are given up */
#define WORTHWHILE   (32u * 1024)  /* bytes that are sent from where they lie; fewer are copied */

struct attachment {
    struct task_stream *stream; /* the job's, from when it begins */
    const char *id, *exec;
    bool stdin;
    bool remove; /* the container goes with its end, and the answer waits for that too */
    int64_t made;
    bool is_back;         /* the client was attached before, and has so much already: */
    struct replay replay;
};

/* What has come from the shim and not yet gone to the client. */
struct outgoing {
    char *buffer; /* NULL: none */
    char stream[8];
    size_t start, end; /* of what is in it */
    bool is_last;
    bool is_flowing; /* the packet before was a full one */
    int held;        /* 1: `item` has come and is not taken yet; -1: nothing comes any more, `gone` */
    struct task_item item;
    struct error gone;
};

/* True: all of it has gone.  False: there is no credit for it. */
static bool flush(struct job *job, struct outgoing *out)
{
    while (out->start < out->end || out->is_last) {
        size_t left = out->end - out->start, credit = job_credit(job);
        size_t part = left < credit ? left : credit;
        bool is_last = out->is_last && part == left;

        if (credit == 0 && left > 0)
            return false;
        out->is_last = out->is_last && !is_last;
        if (part == left && out->start == 0 && part >= WORTHWHILE)
            job_send_buffer(job, out->stream, &out->buffer, part, is_last);
        else
            job_send(job, out->stream, part > 0 ? out->buffer + out->start : NULL, part, is_last);
        out->start += part;
    }
    out->start = out->end = 0;
    return true;
}

/* False: what is there has to go first. */
static bool gather(struct job *job, struct outgoing *out)
{
    const struct task_item *item = &out->item;

    if ((out->end > 0 || out->is_last) &&
        (out->is_last || strcmp(out->stream, item->stream) != 0 || item->size > JOB_BUFFER_SIZE - out->end))
        return false;
    if (out->buffer == NULL)
        out->buffer = job_buffer_take(job);
    snprintf(out->stream, sizeof(out->stream), "%s", item->stream);
    if (item->size > 0)
        memcpy(out->buffer + out->end, item->bytes, item->size);
    out->end += item->size;
    out->is_last = item->is_last;
    out->is_flowing = item->size == TASK_DATA_MAX && out->end + TASK_DATA_MAX <= JOB_BUFFER_SIZE;
    return true;
}

static int take_end(const struct shim_tell *tell, struct tasks_attach_reply *reply)
{
    if (tell->exit == NULL)
        return 1;
    reply->exit_status = tell->exit->status;
    reply->exited = tell->exit->time;
    reply->has_exit_status = reply->has_exited = true;
    reply->reason = tell->exit->has_oom && tell->exit->oom ? "oom" : NULL;
    return 1;
}

/*
 * Where the client comes in; what it missed goes first.  It knows by itself that a new process
 * begins at 0.
 */
static int begin(struct job *job, const struct attachment *want, const struct shim_position *point, struct error *err)
{
    struct replay replay = want->replay;

    if (want->is_back) {
        replay.point = point;
        if (point->has_log_file && log_replay(job, &replay, err) < 0)
            return -1;
    }
    if (want->is_back || point->stdout > 0)
        job_send_at(job, "stdout", point->stdout);
    if (want->is_back || point->stderr > 0)
        job_send_at(job, "stderr", point->stderr);
    return 0;
}

/* 1: over; 0: an answer to attach, or news of no interest. */
static int take_tell(struct job *job, const struct attachment *want, const struct outgoing *out,
                     struct tasks_attach_reply *reply, struct error *err)
{
    const struct shim_tell *tell = &out->item.tell;

    if (tell->position != NULL)
        return begin(job, want, tell->position, err);

    if (strcmp(tell->what, "end") == 0)
        return take_end(tell, reply);
    if (strcmp(tell->what, "error") == 0)
        return error_set(err, error_code_of_name(tell->failure ? tell->failure->code : NULL), "%s",
                         tell->failure ? tell->failure->message : "cut off");
    return 0;
}

enum { OVER = 1, NOTHING_NOW, NO_CREDIT };

/* -1: failed. */
static int pump_out(struct job *job, const struct attachment *want, struct task_stream *stream,
                    struct outgoing *out, struct tasks_attach_reply *reply, struct error *err)
{
    for (;;) {
        int over;

        if (out->held == 0)
            out->held = task_stream_receive(stream, &out->item, &out->gone);
        if (out->held == 1 && out->item.kind == TASK_ITEM_DATA && gather(job, out)) {
            out->held = 0;
            continue;
        }
        if (out->held == 0 && out->is_flowing)
            return NOTHING_NOW;
        if (!flush(job, out))
            return NO_CREDIT;
        if (out->held == 0)
            return NOTHING_NOW;
        if (out->held == 1 && out->item.kind == TASK_ITEM_DATA)
            continue;
        if (out->held < 0)
            *err = out->gone;
        over = out->held < 0 ? -1 : take_tell(job, want, out, reply, err);
        if (over != 0)
            return over;
        out->held = 0;
    }
}

/* 1: the shim takes no more now. */
static int pump_in(struct job *job, struct task_stream *stream, struct chunk **waiting, struct error *err)
{
    for (;;) {
        struct chunk *chunk = *waiting != NULL ? *waiting : job_take(job);
        const char *bytes;
        size_t done = 0;

        *waiting = chunk;
        if (chunk == NULL)
            return 0;
        bytes = chunk->bytes;
        do {
            size_t part = chunk->size - done < TASK_DATA_MAX ? chunk->size - done : TASK_DATA_MAX;
            bool last = chunk->end && done + part == chunk->size;
            int sent = task_stream_send(stream, bytes + done, part, last, err);

            if (sent == 0) {
                chunk->bytes = bytes + done;
                chunk->size -= done;
                if (done > 0)
                    job_allow(job, done);
                return 1;
            }
            /* The process has closed its input, or ended: what still comes goes nowhere, and
               output tells how. */
            done = sent < 0 ? chunk->size : done + part;
        } while (done < chunk->size);
        if (done > 0)
            job_allow(job, done);
        chunk_free(waiting);
    }
}

/*
 * The shim tells the end to everybody at once, and we may hear it before the actor does:
 * the answer waits until the actor knows and has it in the database, so that whoever asks
 * next sees an ended process.
 */
static int end_of(struct job *job, const struct attachment *want, struct error *err)
{
    struct tasks_get_request which = { .id = want->id, .exec = want->exec };
    struct containers_remove_request gone = { .id = want->id, .created = want->made, .has_created = want->made != 0 };
    struct error ignored = { 0 };
    struct task_info info;

    /* Not found: ended and removed since.  Not in that state: removed before it was started. */
    if (call(job, &op_tasks_wait, &which, &info, err) < 0)
        return err->code == ERROR_NOT_FOUND || err->code == ERROR_FAILED_PRECONDITION ? 0 : -1;
    if (want->remove && call(job, &op_containers_remove, &gone, NULL, &ignored) < 0)
        log_debug("tasks", "remove container %s: %s", want->id, ignored.text); /* row_settle() tries again */
    return 0;
}

/* Nothing has come for a while: no memory for it. */
static void let_go(struct job *job, struct outgoing *outgoing)
{
    if (outgoing->end == 0)
        job_buffer_drop(&outgoing->buffer);
    job_buffers_trim(job);
}

/* Returns when the process has ended. */
static int pump(struct job *job, const struct attachment *want, struct task_stream *stream,
                struct outgoing *outgoing, struct tasks_attach_reply *reply, struct error *err)
{
    CLEANUP(chunk_free) struct chunk *waiting = NULL;

    for (;;) {
        int full = want->stdin ? pump_in(job, stream, &waiting, err) : 0;
        int state = pump_out(job, want, stream, outgoing, reply, err);
        bool is_idle = outgoing->buffer != NULL || job_buffers_spare(job);
        int there;

        if (state < 0 || state == OVER)
            return state == OVER ? 0 : -1;
        /* Without credit the stream is not read, and its descriptor says nothing: wait for credit. */
        there = job_wait(job, task_stream_fd(stream),
                         (state == NO_CREDIT ? JOB_CREDIT : JOB_FD) | (want->stdin && !full ? JOB_INPUT : 0),
                         outgoing->is_flowing ? MORE_WAIT_MS
                         : full               ? FULL_WAIT_MS
                         : is_idle            ? IDLE_MS
                                              : -1,
                         err);
        if (there < 0)
            return -1;
        if (there == 0 && !outgoing->is_flowing && !full)
            let_go(job, outgoing);
        outgoing->is_flowing = outgoing->is_flowing && there != 0;
    }
}

static int attach_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct attachment *want = in;
    CLEANUP(task_stream_close) struct task_stream *stream = want->stream;
    struct outgoing outgoing = { 0 };
    int result;

    if (want->stdin)
        job_allow(job, INPUT_WINDOW);
    result = pump(job, want, stream, &outgoing, out, err);
    job_buffer_drop(&outgoing.buffer);
    if (result < 0 && outgoing.held < 0 && err->code == ERROR_UNAVAILABLE)
        return error_wrap(err, "container %s: its supervisor is lost", want->id);
    return result == 0 ? end_of(job, want, err) : -1;
}

/* The process has ended while the client was away. */
static int late_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct attachment *want = in;
    struct tasks_get_request which = { .id = want->id };
    struct tasks_attach_reply *reply = out;
    struct replay replay = want->replay;
    struct task_info info;

    if (call(job, &op_tasks_wait, &which, &info, err) < 0)
        return -1;
    replay.since = info.started;
    if (log_replay(job, &replay, err) < 0)
        return -1;
    reply->exit_status = info.exit_status;
    reply->has_exit_status = info.has_exit_status;
    reply->exited = info.exited;
    reply->has_exited = info.has_exited;
    reply->reason = info.reason;
    return 0;
}

/* What the client has; its container's log. */
static int fill_back(struct tasks *tasks, struct request *request, struct attachment *want, struct error *err)
{
    const struct tasks_attach_request *in = request_body(request);
    struct container_info info;

    if (!in->has_stdout_at && !in->has_stderr_at)
        return 0;
    if (container_find(tasks->db, request_namespace(request), in->id, false, request_arena(request), &info, err) < 0)
        return -1;
    want->is_back = true;
    want->id = info.id;
    want->replay = (struct replay){
        .log = info.log,
        .files = tasks->config->log_files > 0 ? tasks->config->log_files : 1,
        .have = { in->has_stdout_at ? in->stdout_at : 0, in->has_stderr_at ? in->stderr_at : 0 },
    };
    return 0;
}

static bool has_ended(struct tasks *tasks, struct request *request, const struct attachment *want)
{
    const struct task *task = task_find(tasks, request_namespace(request), want->id);

    return task == NULL || task->init.status == TASK_STOPPED;
}

/* By the actor and not in the job, which may be late: the client asks for the start next, and a
   container that has ended by the time the job begins would be gone with all that it said. */
static int attach_on(struct request *request, struct attachment *want, const char *folder, struct error *err)
{
    const struct tasks_attach_request *in = request_body(request);
    const struct shim_ask ask = { .id = 1,
                                  .what = "attach",
                                  .exec = in->exec,
                                  SET(stdin, want->stdin),
                                  SET(hold, in->has_hold && in->hold) };

    want->stream = task_stream_open(folder, &ask, err);
    if (want->stream == NULL)
        return error_wrap(err, "container %s", want->id);
    if (request_run_on(request, attach_job, want, err) == 0)
        return 0;
    task_stream_close(&want->stream);
    return -1;
}

int on_attach(void *self, struct request *request, struct error *err)
{
    const struct tasks_attach_request *in = request_body(request);
    struct attachment *want = arena_alloc(request_arena(request), sizeof(*want));
    struct task *task;
    struct process *process;

    if (fill_back(self, request, want, err) < 0)
        return -1;
    if (want->is_back && in->exec == NULL && has_ended(self, request, want))
        return request_run_on(request, late_job, want, err);
    task = task_of_request(self, request, in->id, err);
    if (task == NULL)
        return -1;
    process = task_process(task, in->exec);
    if (process == NULL)
        return error_set(err, ERROR_NOT_FOUND, "container %s has no process %s", in->id, in->exec);
    if (task->init.status == TASK_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is not running (it is exited)", in->id);
    want->id = arena_str(request_arena(request), task->id);
    want->exec = in->exec;
    want->remove = task->remove && process == &task->init;
    want->made = task->made;
    want->stdin = in->has_stdin && in->stdin && process->stdin;
    return attach_on(request, want, task->folder, err);
}
