/*
 * Another process in a running container.  Its OCI process is made from the
 * container's stored spec; the users it may name are those of the image, read when it
 * was unpacked.  All of it is short, so it is a handler.
 */
#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/base/users.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"
#include "protocol/oci/spec.h"

static void exec_added(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    struct process *process = task_process(task, waiter->exec);
    struct task_info info;

    (void)tell;
    if (process == NULL)
        return;
    if (waiter->request == NULL) { /* who asked has gone, and nobody else knows of it */
        exec_forget(task, process);
        return;
    }
    process->status = TASK_CREATED;
    row_event(task, "/tasks/exec-added", process);
    info = process_info_of(task, process);
    request_reply(waiter->request, &info);
}

static int build_process(struct tasks *tasks, struct request *request, const struct container_info *info,
                         struct buffer *json, struct error *err)
{
    const struct tasks_exec_request *in = request_body(request);
    struct user_ids ids;
    bool named = in->user != NULL && in->user[0] != '\0';

    if (named && users_of_container(tasks->db, tasks->config->root, request_namespace(request), info, in->user, NULL,
                                    request_arena(request), &ids, err) < 0)
        return -1;
    return process_build(info->spec, strlen(info->spec), in, named ? &ids : NULL, machine_capabilities(), json, err);
}

static struct process *process_new(struct task *task, const struct tasks_exec_request *in)
{
    struct process *process = zmalloc(sizeof(*process));
    char made_up[33];

    if (in->exec == NULL)
        random_hex(made_up, 32);
    snprintf(process->exec, sizeof(process->exec), "%s", in->exec != NULL ? in->exec : made_up);
    process->tty = in->has_tty && in->tty;
    process->stdin = in->has_stdin && in->stdin;
    process->detached = in->has_detach && in->detach;
    process->status = TASK_CREATING;
    process->next = task->execs;
    task->execs = process;
    return process;
}

static void process_forget(struct task *task, struct process *process)
{
    struct process **at = &task->execs;

    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    free(process);
}

void exec_forget(struct task *task, struct process *process)
{
    struct shim_ask ask = { .what = "delete", .exec = process->exec };
    struct error err;

    if (task->link != NULL && !task->winding_up && task_ask(task, NULL, &ask, NULL, &err) < 0)
        log_debug("tasks", "container %s: %s", task->id, err.text);
    process_forget(task, process);
}

static void not_added(struct task *task, struct waiter *waiter, const struct error *err)
{
    struct process *process = task_process(task, waiter->exec);

    (void)err;
    if (process != NULL)
        process_forget(task, process);
}

int on_exec(void *self, struct request *request, struct error *err)
{
    const struct tasks_exec_request *in = request_body(request);
    struct tasks *tasks = self;
    CLEANUP(buffer_free) struct buffer json = { 0 };
    struct container_info info;
    struct process *process;
    struct task *task;
    char file[140];
    struct shim_ask ask = { .what = "exec", .process = file, SET(tty, in->has_tty && in->tty),
                            SET(stdin, in->has_stdin && in->stdin), SET(hold, in->has_hold && in->hold), .window = in->window };

    if (in->exec != NULL && identifier_check("exec id", in->exec, err) < 0)
        return -1;
    if (container_find(tasks->db, request_namespace(request), in->id, true, request_arena(request), &info, err) < 0)
        return -1;
    task = task_find(tasks, request_namespace(request), info.id);
    if (task == NULL || task->init.status != TASK_RUNNING)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is not running", in->id);
    if (in->exec != NULL && task_process(task, in->exec) != NULL)
        return error_set(err, ERROR_ALREADY_EXISTS, "container %s has a process %s already", in->id, in->exec);
    if (build_process(tasks, request, &info, &json, err) < 0)
        return -1;
    process = process_new(task, in);
    /* A name of its own: the shim may still have to remove that of another one of this id. */
    snprintf(file, sizeof(file), "process.%s.%llu", process->exec, (unsigned long long)task->last_ask);
    ask.exec = process->exec;
    if (task_process_write(task->folder, file, json.data, json.size, err) == 0 &&
        task_ask_or(task, request, &ask, exec_added, not_added, err) == 0)
        return 0;
    process_forget(task, process);
    return -1;
}
