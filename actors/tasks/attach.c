/*
 * Attaching: a job per client, which pumps bytes between the shim and the client as
 * far as the client's credit goes.  With hold, not reading is how the container is
 * held back; without, the shim cuts off who falls behind.
 */
#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

#define INPUT_WINDOW (256u * 1024) /* bytes of standard input on their way */
#define FULL_WAIT_MS 5             /* before the shim is offered input again */

struct attachment {
    char folder[PATH_SIZE];
    const char *id, *exec;
    bool stdin, hold;
    bool remove; /* the container goes with its end, and the answer waits for that too */
    int64_t made;
};

/* What has come from the shim and not yet gone to the client, for lack of credit. */
struct unsent {
    const char *stream;
    const char *bytes; /* in the stream's buffer: holds until the next receive */
    size_t size;
    bool is_last;
    bool is_there;
};

/* True: all of it has gone. */
static bool send_unsent(struct job *job, struct unsent *unsent)
{
    uint64_t credit = job_credit(job);
    size_t part = unsent->size < credit ? unsent->size : (size_t)credit;

    if (!unsent->is_there)
        return true;
    if (credit == 0 && unsent->size > 0)
        return false;
    unsent->is_there = part < unsent->size;
    job_send(job, unsent->stream, unsent->bytes, part, unsent->is_last && !unsent->is_there);
    unsent->bytes += part;
    unsent->size -= part;
    return !unsent->is_there;
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

/* 1: over; 0: nothing more now, or no credit for it. */
static int pump_out(struct job *job, struct task_stream *stream, struct unsent *unsent,
                    struct tasks_attach_reply *reply, struct error *err)
{
    struct task_item item;
    int got;

    while (send_unsent(job, unsent)) {
        got = task_stream_receive(stream, &item, err);
        if (got <= 0)
            return got;
        if (item.kind == TASK_ITEM_DATA)
            *unsent = (struct unsent){ item.stream, item.bytes, item.size, item.is_last, true };
        else if (strcmp(item.tell.what, "end") == 0)
            return take_end(&item.tell, reply);
        else if (strcmp(item.tell.what, "error") == 0)
            return error_set(err, error_code_of_name(item.tell.failure ? item.tell.failure->code : NULL), "%s",
                             item.tell.failure ? item.tell.failure->message : "cut off");
    }
    return 0;
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

static int attach_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct attachment *want = in;
    const struct shim_ask ask = { .id = 1, .what = "attach", .exec = want->exec, SET(stdin, want->stdin), SET(hold, want->hold) };
    CLEANUP(task_stream_close) struct task_stream *stream = task_stream_open(want->folder, &ask, err);
    CLEANUP(chunk_free) struct chunk *waiting = NULL;
    struct unsent unsent = { 0 };

    if (stream == NULL)
        return -1;
    if (want->stdin)
        job_allow(job, INPUT_WINDOW);
    for (;;) {
        int full = want->stdin ? pump_in(job, stream, &waiting, err) : 0;
        int over = pump_out(job, stream, &unsent, out, err);

        if (over != 0)
            return over == 1 ? end_of(job, want, err) : -1;
        /* Without credit the stream is not read, and its descriptor says nothing: wait for credit. */
        if (job_wait(job, task_stream_fd(stream),
                     (unsent.is_there ? JOB_CREDIT : JOB_FD) | (want->stdin && !full ? JOB_INPUT : 0),
                     full ? FULL_WAIT_MS : -1, err) < 0)
            return -1;
    }
}

int on_attach(void *self, struct request *request, struct error *err)
{
    const struct tasks_attach_request *in = request_body(request);
    struct attachment *want = arena_alloc(request_arena(request), sizeof(*want));
    struct task *task = task_of_request(self, request, in->id, err);
    struct process *process;

    if (task == NULL)
        return -1;
    process = task_process(task, in->exec);
    if (process == NULL)
        return error_set(err, ERROR_NOT_FOUND, "container %s has no process %s", in->id, in->exec);
    if (task->init.status == TASK_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is not running (it is exited)", in->id);
    snprintf(want->folder, sizeof(want->folder), "%s", task->folder);
    want->id = arena_str(request_arena(request), task->id);
    want->exec = in->exec;
    want->remove = task->remove && process == &task->init;
    want->made = task->made;
    want->stdin = in->has_stdin && in->stdin && process->stdin;
    want->hold = in->has_hold && in->hold;
    return request_run_on(request, attach_job, want, err);
}
