/*
 * The entries and the short operations.  The happy path of a task is create (a job)
 * -> adopt -> start -> exit (news from the shim) -> the shim winds up -> what is left
 * is a row.  Possible failures: the shim dies (its exit file tells, else "supervisor
 * lost"), the daemon dies (recover.c), the machine reboots (the row tells).
 */
#include "actors/tasks/tasks.h"

#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/base/page.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"
#include "protocol/oci/signal.h"

#define SIGNAL_KILL 9
#define SIGNAL_TERM 15
#define STOP_MAX_S  (365ull * 24 * 3600) /* whoever waits longer, waits for ever */

/* ---- entries ------------------------------------------------------------------------ */

struct task *task_find(struct tasks *tasks, const char *namespace, const char *id)
{
    for (struct task *task = tasks->first; task != NULL; task = task->next)
        if (streq(task->id, id) && streq(task->namespace, namespace))
            return task;
    return NULL;
}

struct task *task_new(struct tasks *tasks, const char *namespace, const char *id)
{
    struct task *task = zmalloc(sizeof(*task));

    task->home = tasks;
    task->again = -1;
    task->next = tasks->first;
    tasks->first = task;
    snprintf(task->namespace, sizeof(task->namespace), "%s", namespace);
    snprintf(task->id, sizeof(task->id), "%s", id);
    return task;
}

/* Nobody is left waiting: creates are tried again now, the rest hears that it is gone. */
static void waiters_release(struct task *task)
{
    while (task->waiters != NULL) {
        struct request *request = task->waiters->request;
        bool retry = task->waiters->retry && !loop_is_stopping(task->home->loop);
        struct error err = { 0 };

        waiter_drop(task->waiters);
        if (request == NULL || (retry && on_create(task->home, request, &err) == 0))
            continue;
        if (!retry)
            error_set(&err, ERROR_ABORTED, "container %s: its task has gone", task->id);
        request_fail(request, &err);
    }
}

void task_free(struct task *task)
{
    for (struct task **at = &task->home->first; *at != NULL; at = &(*at)->next)
        if (*at == task) {
            *at = task->next;
            break;
        }
    if (task->again >= 0)
        loop_timer_end(task->home->loop, task->again);
    waiters_release(task);
    while (task->execs != NULL) {
        struct process *next = task->execs->next;

        free(task->execs);
        task->execs = next;
    }
    if (task->link != NULL) {
        loop_unwatch(task->home->loop, task_link_fd(task->link));
        task_link_close(&task->link);
    }
    free(task);
}

struct process *task_process(struct task *task, const char *exec)
{
    if (exec == NULL || exec[0] == '\0')
        return &task->init;
    for (struct process *process = task->execs; process != NULL; process = process->next)
        if (streq(process->exec, exec))
            return process;
    return NULL;
}

const char *task_status_name(enum task_status status)
{
    static const char *const names[] = { "creating", "created", "running", "stopped" };

    return names[status];
}

struct task_info process_info_of(const struct task *task, const struct process *process)
{
    return (struct task_info){
        .id = task->id,
        .exec = process->exec[0] ? process->exec : NULL,
        .status = task_status_name(process->status),
        .pid = process->pid,
        .has_pid = process->pid != 0 && process->status != TASK_STOPPED,
        .exit_status = process->exit_status,
        .has_exit_status = process->status == TASK_STOPPED,
        .started = process->started,
        .has_started = process->started != 0,
        .exited = process->exited,
        .has_exited = process->exited != 0,
        .reason = process->reason[0] ? process->reason : NULL,
        .tty = process->tty,
        .has_tty = true,
        .stdin = process->stdin,
        .has_stdin = true,
    };
}

/* ---- who is meant --------------------------------------------------------------------- */

static int find_container(struct tasks *tasks, struct request *request, const char *text,
                          struct container_info *info, struct error *err)
{
    return container_find(tasks->db, request_namespace(request), text, false, request_arena(request), info, err);
}

static int just_being_created(const char *id, struct error *err)
{
    error_set(err, ERROR_UNAVAILABLE, "container %s is just being created", id);
    err->retry_ms = 100;
    return -1;
}

struct task *task_of_request(struct tasks *tasks, struct request *request, const char *text, struct error *err)
{
    struct task *task = task_find(tasks, request_namespace(request), text);
    struct container_info info;

    if (task == NULL) {
        if (find_container(tasks, request, text, &info, err) < 0)
            return NULL;
        task = task_find(tasks, request_namespace(request), info.id);
        if (task == NULL) {
            error_set(err, ERROR_FAILED_PRECONDITION, "container %s is not running (it is %s)", text, info.status);
            return NULL;
        }
    }
    return task->init.status != TASK_CREATING ? task : (just_being_created(text, err), NULL);
}

static struct process *process_of_request(struct tasks *tasks, struct request *request, const char *id,
                                          const char *exec, struct task **task, struct error *err)
{
    struct process *process;

    *task = task_of_request(tasks, request, id, err);
    if (*task == NULL)
        return NULL;
    process = task_process(*task, exec);
    if (process == NULL)
        error_set(err, ERROR_NOT_FOUND, "container %s has no process %s", id, exec);
    return process;
}

/* The last run of a container whose shim is gone already, from its row. */
static int ended_info(struct tasks *tasks, struct request *request, const char *text, struct task_info *out,
                      struct error *err)
{
    struct container_info info;

    if (find_container(tasks, request, text, &info, err) < 0)
        return -1;
    if (!streq(info.status, "exited"))
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s has not been started", text);
    *out = (struct task_info){
        .id = info.id,
        .status = "stopped",
        .exit_status = info.exit_status,
        .has_exit_status = info.has_exit_status,
        .started = info.started,
        .has_started = info.has_started,
        .exited = info.exited,
        .has_exited = info.has_exited,
        .reason = info.status_reason,
    };
    return 0;
}

static int reply_ended(struct tasks *tasks, struct request *request, const char *text, struct error *err)
{
    struct task_info info;

    if (ended_info(tasks, request, text, &info, err) < 0)
        return -1;
    return request_reply(request, &info);
}

/* Now, or when it has ended and that can be seen in the database. */
static int reply_at_end(struct task *task, struct process *process, struct request *request)
{
    struct task_info info = process_info_of(task, process);

    if (process->written)
        return request_reply(request, &info);
    return request_keep(request, waiter_gone, waiter_add(task, request, process->exec));
}

/* ---- start ------------------------------------------------------------------------------ */

static void started(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    struct process *process = task_process(task, waiter->exec);
    struct task_info info;

    if (process == NULL)
        return;
    if (tell->has_pid)
        process->pid = tell->pid;
    if (process->status == TASK_CREATED)
        process->status = TASK_RUNNING;
    if (process->status == TASK_STOPPED) /* its end was told before its start: the row says it all */
        row_event(task, process == &task->init ? "/tasks/start" : "/tasks/exec-started", process);
    else if (process == &task->init)
        row_put(task, "/tasks/start");
    else
        row_event(task, "/tasks/exec-started", process);
    info = process_info_of(task, process);
    if (waiter->request != NULL)
        request_reply(waiter->request, &info);
}

/* An additional process that cannot be started has ended, as a shell would say. */
static void not_started(struct task *task, struct waiter *waiter, const struct error *err)
{
    struct process *process = task_process(task, waiter->exec);

    if (process == NULL || process->status != TASK_CREATED)
        return;
    process->started = 0;
    if (process == &task->init)
        return;
    process->status = TASK_STOPPED;
    process->exit_status = err->code == ERROR_NOT_FOUND ? 127 : err->code == ERROR_PERMISSION_DENIED ? 126 : 125;
    process->exited = clock_now();
    task_end_written(task, process); /* nothing began, so there is nothing to write */
}

static int on_start(void *self, struct request *request, struct error *err)
{
    const struct tasks_get_request *in = request_body(request);
    struct shim_ask ask = { .what = "start", .exec = in->exec };
    struct task *task;
    struct process *process = process_of_request(self, request, in->id, in->exec, &task, err);

    if (process == NULL)
        return -1;
    if (process->status != TASK_CREATED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is %s already", in->id,
                         task_status_name(process->status));
    process->started = clock_now(); /* not later: it may have written and ended when we hear of it */
    if (task_ask_or(task, request, &ask, started, not_started, err) == 0)
        return 0;
    process->started = 0;
    return -1;
}

/* ---- kill, stop, delete -------------------------------------------------------------------- */

static int signal_of(const char *text, int otherwise, int *number, struct error *err)
{
    if (text == NULL) {
        *number = otherwise;
        return 0;
    }
    return signal_parse(text, number, err);
}

static int on_kill(void *self, struct request *request, struct error *err)
{
    const struct tasks_kill_request *in = request_body(request);
    struct shim_ask ask = { .what = "kill", .exec = in->exec, SET(all, in->has_all && in->all), .has_signal = true };
    struct task *task;
    struct process *process = process_of_request(self, request, in->id, in->exec, &task, err);
    int number;

    if (process == NULL || signal_of(in->signal, SIGNAL_TERM, &number, err) < 0)
        return -1;
    if (process->status == TASK_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is not running", in->id);
    ask.signal = number;
    return task_ask(task, request, &ask, answer_nothing, err);
}

static int send_signal(struct task *task, int number, bool all, struct error *err)
{
    struct shim_ask ask = { .what = "kill", SET(signal, number), SET(all, all) };

    return task_ask(task, NULL, &ask, NULL, err);
}

#define KILL_AGAIN_MS 1000 /* when the shim could not be told */

static void on_stop_timeout(void *self, void *arg)
{
    struct waiter *waiter = arg;
    struct task *task = waiter->task;
    struct error err;

    (void)self;
    waiter->timer = -1;
    if (send_signal(task, SIGNAL_KILL, false, &err) == 0)
        return;
    log_warn("tasks", "signal %d to %s: %s", SIGNAL_KILL, task->id, err.text);
    waiter->timer = loop_timer(task->home->loop, KILL_AGAIN_MS, 1, on_stop_timeout, waiter);
}

static int on_stop(void *self, struct request *request, struct error *err)
{
    const struct tasks_stop_request *in = request_body(request);
    struct tasks *tasks = self;
    struct container_info info;
    struct task *task;
    struct waiter *waiter;
    uint64_t seconds;
    int number;

    if (find_container(tasks, request, in->id, &info, err) < 0)
        return -1;
    task = task_find(tasks, request_namespace(request), info.id);
    if (task == NULL)
        return reply_ended(tasks, request, in->id, err);
    if (task->init.status == TASK_STOPPED)
        return reply_at_end(task, &task->init, request);
    if (task->init.status == TASK_CREATING)
        return just_being_created(in->id, err);
    if (signal_of(in->signal ? in->signal : info.stop_signal, SIGNAL_TERM, &number, err) < 0)
        return -1;
    seconds = in->has_timeout ? in->timeout : info.has_stop_timeout ? info.stop_timeout : 10;
    if (seconds > STOP_MAX_S)
        seconds = STOP_MAX_S;
    /* A container that was created and never started has nobody who could hear a signal. */
    if (send_signal(task, task->init.status == TASK_RUNNING ? number : SIGNAL_KILL, false, err) < 0)
        return -1;
    waiter = waiter_add(task, request, NULL);
    waiter->timer = loop_timer(tasks->loop, seconds * 1000, 1, on_stop_timeout, waiter);
    return request_keep(request, waiter_gone, waiter);
}

static int delete_exec(struct task *task, struct process *process, struct request *request, struct error *err)
{
    struct task_info info = process_info_of(task, process);

    if (process->status == TASK_RUNNING)
        return error_set(err, ERROR_FAILED_PRECONDITION, "process %s of container %s is running: kill it first",
                         process->exec, task->id);
    request_reply(request, &info); /* what it says is the process's */
    exec_forget(task, process);
    return 0;
}

static int delete_ended(struct tasks *tasks, struct request *request, const char *text, struct error *err)
{
    struct task_info info;

    if (ended_info(tasks, request, text, &info, err) < 0)
        return err->code == ERROR_FAILED_PRECONDITION
                   ? error_set(err, ERROR_NOT_FOUND, "container %s has no task: it has not been started", text)
                   : -1;
    return row_delete(request, &info, true, err); /* told when it was cleared away */
}

static void on_forced_end(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    struct task_info info = process_info_of(task, &task->init);
    bool silent = task->deleted;
    struct error err = { 0 };

    (void)tell;
    task->deleted = true;
    if (row_delete(waiter->request, &info, silent, &err) < 0)
        request_fail(waiter->request, &err);
}

/* It has ended and is just being cleared away: its row goes behind the one that tells its end. */
static int delete_stopped(struct task *task, struct request *request, struct error *err)
{
    struct task_info info = process_info_of(task, &task->init);
    bool silent = task->deleted;

    task->deleted = true;
    return row_delete(request, &info, silent, err);
}

static int on_delete(void *self, struct request *request, struct error *err)
{
    const struct tasks_delete_request *in = request_body(request);
    struct tasks *tasks = self;
    struct container_info container;
    struct task *task;
    struct process *process;
    struct waiter *waiter;

    if (in->exec != NULL) {
        process = process_of_request(tasks, request, in->id, in->exec, &task, err);
        return process != NULL ? delete_exec(task, process, request, err) : -1;
    }
    if (find_container(tasks, request, in->id, &container, err) < 0)
        return -1;
    task = task_find(tasks, request_namespace(request), container.id);
    if (task == NULL)
        return delete_ended(tasks, request, in->id, err);
    if (task->init.status == TASK_STOPPED)
        return delete_stopped(task, request, err);
    if (task->init.status == TASK_CREATING)
        return just_being_created(in->id, err);
    if (!(in->has_force && in->force) && task->init.status == TASK_RUNNING)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is running: stop it, or force", in->id);
    if (send_signal(task, SIGNAL_KILL, true, err) < 0)
        return -1;
    waiter = waiter_add(task, request, NULL);
    waiter->answer = on_forced_end;
    return request_keep(request, waiter_gone, waiter);
}

/* ---- wait, get, list ------------------------------------------------------------------------- */

/* The process that is meant; 1 when the container's last run is over and its shim gone. */
static int process_or_ended(struct tasks *tasks, struct request *request, const struct tasks_get_request *in,
                            struct task **task, struct process **process, struct error *err)
{
    struct container_info container;

    if (find_container(tasks, request, in->id, &container, err) < 0)
        return -1;
    *task = task_find(tasks, request_namespace(request), container.id);
    if (*task == NULL)
        return 1;
    *process = task_process(*task, in->exec);
    if (*process == NULL)
        return error_set(err, ERROR_NOT_FOUND, "container %s has no process %s", in->id, in->exec);
    return 0;
}

static int on_wait(void *self, struct request *request, struct error *err)
{
    const struct tasks_get_request *in = request_body(request);
    struct task *task;
    struct process *process;
    int found = process_or_ended(self, request, in, &task, &process, err);

    if (found != 0)
        return found < 0 ? -1 : reply_ended(self, request, in->id, err);
    return reply_at_end(task, process, request);
}

static int on_get(void *self, struct request *request, struct error *err)
{
    const struct tasks_get_request *in = request_body(request);
    struct task *task;
    struct process *process;
    struct task_info info;
    int found = process_or_ended(self, request, in, &task, &process, err);

    if (found != 0)
        return found < 0 ? -1 : reply_ended(self, request, in->id, err);
    info = process_info_of(task, process);
    if (request_is_inside(request))
        info.folder = task->folder;
    return request_reply(request, &info);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct task *const *)a)->id, (*(struct task *const *)b)->id);
}

static int on_list(void *self, struct request *request, struct error *err)
{
    const struct page_request *in = request_body(request);
    struct tasks *tasks = self;
    struct tasks_list_reply reply;
    struct page page;
    struct task **all;
    size_t count = 0;

    page_open(&page, request_arena(request), sizeof(struct task_info), in->limit);
    if (page_filter(&page, &in->filters, task_info_record(), err) < 0)
        return -1;
    for (struct task *task = tasks->first; task != NULL; task = task->next)
        count++;
    all = arena_alloc(page.arena, count * sizeof(struct task *));
    count = 0;
    for (struct task *task = tasks->first; task != NULL; task = task->next)
        if (streq(task->namespace, request_namespace(request)) && (in->after == NULL || strcmp(task->id, in->after) > 0))
            all[count++] = task;
    qsort(all, count, sizeof(struct task *), by_id);
    for (size_t i = 0; i < count && !page_is_full(&page); i++) {
        struct task_info info = process_info_of(all[i], &all[i]->init);

        page_add(&page, &info, NULL);
    }
    reply = (struct tasks_list_reply){ .tasks = page.list, SET(more, page.more) };
    return request_reply(request, &reply);
}

/* ---- resize, pids ------------------------------------------------------------------------------ */

static int on_resize(void *self, struct request *request, struct error *err)
{
    const struct tasks_resize_request *in = request_body(request);
    struct shim_ask ask = { .what = "resize", .exec = in->exec, .window = in->window };
    struct task *task;
    struct process *process = process_of_request(self, request, in->id, in->exec, &task, err);

    if (process == NULL)
        return -1;
    if (!process->tty)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s has no terminal", in->id);
    return task_ask(task, request, &ask, answer_nothing, err);
}

static void give_pids(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    static const struct tasks_pids_reply none;

    (void)task;
    if (waiter->request != NULL)
        request_reply(waiter->request, tell->pids != NULL ? tell->pids : &none);
}

static int on_pids(void *self, struct request *request, struct error *err)
{
    const struct tasks_get_request *in = request_body(request);
    struct shim_ask ask = { .what = "pids" };
    struct task *task = task_of_request(self, request, in->id, err);

    return task != NULL ? task_ask(task, request, &ask, give_pids, err) : -1;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static int tasks_open(void *self, struct loop *loop, struct error *err)
{
    struct tasks *tasks = self;

    tasks->loop = loop;
    if (db_open(tasks->config->database, true, &tasks->db, err) < 0)
        return -1;
    return tasks_recover(tasks, err);
}

static void tasks_close(void *self)
{
    struct tasks *tasks = self;

    while (tasks->first != NULL)
        task_free(tasks->first);
    task_spare_drop(&tasks->spare);
    db_close(&tasks->db);
}

struct tasks *tasks_new(const struct tasks_config *config)
{
    struct tasks *tasks = zmalloc(sizeof(*tasks));

    tasks->config = config;
    return tasks;
}

void tasks_free(struct tasks **tasks)
{
    free(*tasks);
    *tasks = NULL;
}

static const struct route routes[] = {
    { &op_tasks_runtime, on_runtime }, { &op_tasks_create, on_create }, { &op_tasks_adopt, on_adopt },   { &op_tasks_start, on_start },
    { &op_tasks_get, on_get },       { &op_tasks_list, on_list },     { &op_tasks_kill, on_kill },
    { &op_tasks_stop, on_stop },     { &op_tasks_wait, on_wait },     { &op_tasks_delete, on_delete },
    { &op_tasks_attach, on_attach }, { &op_tasks_exec, on_exec },     { &op_tasks_resize, on_resize },
    { &op_tasks_pids, on_pids },     { &op_tasks_logs, on_logs },     { 0 },
};

const struct actor tasks_actor = { "tasks", routes, tasks_open, tasks_close };
