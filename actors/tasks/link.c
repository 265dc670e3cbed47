/*
 * The conversation with a shim: questions go out with a number, answers come back with
 * it, news have none.  A shim that hangs up has died.
 */
#include "actors/base/log.h"
#include "actors/base/wire.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

/* ---- waiters -------------------------------------------------------------------------- */

struct waiter *waiter_add(struct task *task, struct request *request, const char *exec)
{
    struct waiter *waiter = zmalloc(sizeof(*waiter)), **at = &task->waiters;

    *waiter = (struct waiter){ .task = task, .request = request, .timer = -1 };
    snprintf(waiter->exec, sizeof(waiter->exec), "%s", exec ? exec : "");
    while (*at != NULL)
        at = &(*at)->next;
    *at = waiter;
    return waiter;
}

void waiter_drop(struct waiter *waiter)
{
    for (struct waiter **at = &waiter->task->waiters; *at != NULL; at = &(*at)->next)
        if (*at == waiter) {
            *at = waiter->next;
            break;
        }
    if (waiter->timer >= 0)
        loop_timer_end(waiter->task->home->loop, waiter->timer);
    free(waiter);
}

void waiter_gone(void *self, struct request *request, void *arg)
{
    struct waiter *waiter = arg;

    (void)self, (void)request;
    if (waiter->ask != 0)
        waiter->request = NULL; /* the answer will come, to nobody */
    else
        waiter_drop(waiter);
}

void answer_nothing(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    (void)task, (void)tell;
    if (waiter->request != NULL)
        request_reply(waiter->request, &(struct nothing){ 0 });
}

int task_ask(struct task *task, struct request *request, struct shim_ask *ask,
             void (*answer)(struct task *task, struct waiter *waiter, const struct shim_tell *tell), struct error *err)
{
    return task_ask_or(task, request, ask, answer, NULL, err);
}

int task_ask_or(struct task *task, struct request *request, struct shim_ask *ask,
                void (*answer)(struct task *task, struct waiter *waiter, const struct shim_tell *tell),
                void (*failed)(struct task *task, struct waiter *waiter, const struct error *err), struct error *err)
{
    struct waiter *waiter;

    if (task->link == NULL)
        return task->init.status == TASK_STOPPED
                   ? error_set(err, ERROR_FAILED_PRECONDITION, "container %s is not running", task->id)
                   : error_set(err, ERROR_UNAVAILABLE, "container %s: its supervisor cannot be reached now", task->id);
    ask->id = ++task->last_ask;
    if (task_link_send(task->link, ask, err) < 0)
        return error_wrap(err, "container %s", task->id);
    waiter = waiter_add(task, request, ask->exec);
    waiter->ask = ask->id;
    waiter->answer = answer;
    waiter->failed = failed;
    return request != NULL ? request_keep(request, waiter_gone, waiter) : 0;
}

static void fail_waiter(struct task *task, struct waiter *waiter, const struct failure *failure)
{
    struct request *request = waiter->request;
    struct error err = { 0 };

    wire_error(failure, &err);
    if (waiter->failed != NULL)
        waiter->failed(task, waiter, &err);
    waiter_drop(waiter);
    if (request != NULL)
        request_fail(request, &err);
}

static void take_reply(struct task *task, const struct shim_tell *tell)
{
    static const struct failure no_reason = { .code = "unknown", .message = "the supervisor failed without saying how" };

    for (struct waiter *waiter = task->waiters; waiter != NULL; waiter = waiter->next) {
        if (waiter->ask != tell->id)
            continue;
        if (strcmp(tell->what, "error") == 0) {
            fail_waiter(task, waiter, tell->failure != NULL ? tell->failure : &no_reason);
            return;
        }
        if (waiter->answer != NULL)
            waiter->answer(task, waiter, tell);
        waiter_drop(waiter);
        return;
    }
}

/* ---- the end of a process ------------------------------------------------------------------ */

static void answer_waiters(struct task *task, const struct process *process)
{
    for (struct waiter *waiter = task->waiters, *next; waiter != NULL; waiter = next) {
        struct task_info info = process_info_of(task, process);
        struct request *request = waiter->request;

        next = waiter->next;
        if (waiter->ask != 0 || waiter->retry || strcmp(waiter->exec, process->exec) != 0)
            continue;
        if (waiter->answer != NULL)
            waiter->answer(task, waiter, NULL);
        else
            request_reply(request, &info);
        waiter_drop(waiter);
    }
}

static void on_wound_up(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    (void)waiter, (void)tell;
    task->wound_up = true; /* the shim ends now, and its connection tells when */
}

static void on_not_wound_up(struct task *task, struct waiter *waiter, const struct error *err)
{
    (void)waiter;
    log_warn("tasks", "container %s: its supervisor could not clear away: %s", task->id, err->text);
    task->needs_undoing = true;
    row_settle(task);
}

void task_wind_up(struct task *task)
{
    struct shim_ask ask = { .what = "delete" };
    struct error err;

    if (task->winding_up)
        return;
    task->winding_up = task_ask_or(task, NULL, &ask, on_wound_up, on_not_wound_up, &err) == 0;
    if (task->winding_up)
        return;
    log_warn("tasks", "container %s: %s", task->id, err.text);
    task_again(task);
}

void task_ended(struct task *task, struct process *process, const struct shim_exit *exit, const char *reason)
{
    if (process->status == TASK_STOPPED)
        return;
    process->status = TASK_STOPPED;
    process->exit_status = exit != NULL ? exit->status : 255;
    process->exited = exit != NULL ? exit->time : clock_now();
    if (exit != NULL && exit->has_oom && exit->oom)
        reason = "oom";
    snprintf(process->reason, sizeof(process->reason), "%s", reason ? reason : "");
    if (strcmp(process->reason, "oom") == 0)
        row_event(task, "/tasks/oom", process);
    row_exit(task, process);
    if (process == &task->init && task->link != NULL)
        task_wind_up(task);
}

void task_end_written(struct task *task, struct process *process)
{
    process->written = true;
    answer_waiters(task, process);
    if (process != &task->init && process->detached)
        exec_forget(task, process);
}

static void take_news(struct task *task, const struct shim_tell *tell)
{
    struct process *process;

    if (strcmp(tell->what, "exit") != 0 || tell->exit == NULL)
        return;
    process = task_process(task, tell->exit->exec);
    if (process != NULL)
        task_ended(task, process, tell->exit, NULL);
}

/* As its file tells, if the shim came to write it; 0: that cannot be read now. */
static int end_lost(struct task *task, struct process *process)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct shim_exit exit;
    struct error err = { 0 };

    if (task_exit_read(task->folder, process->exec[0] ? process->exec : NULL, arena, &exit, &err) == 0) {
        task_ended(task, process, &exit, NULL);
        return 1;
    }
    if (err.os != 0 && err.code != ERROR_NOT_FOUND) {
        log_warn("tasks", "container %s: how it ended: %s", task->id, err.text);
        return 0;
    }
    task_ended(task, process, NULL, "supervisor lost");
    return 1;
}

void task_dead(struct task *task)
{
    if (task->init.status != TASK_STOPPED) {
        for (struct process *process = task->execs; process != NULL; process = process->next)
            if (process->status != TASK_STOPPED && !end_lost(task, process)) {
                task_again(task);
                return;
            }
        if (!end_lost(task, &task->init)) {
            task_again(task);
            return;
        }
    }
    task->needs_undoing = true;
    row_settle(task);
}

/* The shim has undone all and gone, or it has died. */
void task_lost(struct task *task, const struct error *why)
{
    loop_unwatch(task->home->loop, task_link_fd(task->link));
    task_link_close(&task->link);
    if (task->wound_up) {
        row_settle(task);
        return;
    }
    if (!task->winding_up)
        log_warn("tasks", "container %s: its supervisor is lost: %s", task->id, why->text);
    task_dead(task);
}

static void on_readable(void *self, void *arg)
{
    struct task *task = arg;
    struct arena *arena;
    struct shim_tell tell;
    struct error err = { 0 };
    int got;

    (void)self;
    for (;;) {
        arena = arena_new();
        got = task_link_receive(task->link, arena, &tell, &err);
        if (got == 1 && tell.id != 0)
            take_reply(task, &tell);
        else if (got == 1)
            take_news(task, &tell);
        arena_free(arena);
        if (got != 1)
            break;
    }
    if (got < 0)
        task_lost(task, &err);
}

int task_connect(struct task *task, struct error *err)
{
    task->link = task_link_open(task->folder, err);
    if (task->link == NULL)
        return -1;
    return loop_watch(task->home->loop, task_link_fd(task->link), on_readable, task);
}
