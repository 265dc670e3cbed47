/*
 * After a start: the shims' folders are walked and reconnected; rows that say
 * "running" without a shim are put right.  What ended while nobody looked has its exit
 * status in its folder, and its event is written now, once.
 */
#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

#define DYING_TRIES 100 /* so often a dying shim is looked at again, */
#define DYING_MS    50  /* with so much time between */
#define TRIES       5
#define TRY_MS      100 /* before the second try; each wait is twice the one before */
#define QUITTING_MS 10000

struct folder {
    char path[PATH_SIZE];
    bool quit; /* a shim that lives there is told to */
};

/* It hangs up when nothing is left. */
static int quit(struct job *job, const char *folder, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    CLEANUP(task_link_close) struct task_link *link = task_link_open(folder, err);
    const struct shim_ask ask = { .id = 1, .what = "quit" };
    struct error hung_up;
    struct shim_tell tell;
    int got, there;

    if (link == NULL || task_link_send(link, &ask, err) < 0)
        return -1;
    while ((got = task_link_receive(link, arena, &tell, &hung_up)) >= 0) {
        if (got == 1)
            continue;
        there = job_wait(job, task_link_fd(link), JOB_FD, QUITTING_MS, err);
        if (there <= 0)
            return there < 0 ? -1 : error_set(err, ERROR_DEADLINE_EXCEEDED, "%s: does not quit", folder);
    }
    return 0;
}

static int clear_up(struct job *job, const struct folder *folder, struct error *err)
{
    if (folder->quit && task_shim_is_alive(folder->path) && quit(job, folder->path, err) < 0)
        return -1;
    /* A shim that was killed lets go of its socket a moment before it is dead. */
    for (int tries = 0; task_reap_dead(folder->path, err) < 0; tries++)
        if (err->code != ERROR_FAILED_PRECONDITION || tries == DYING_TRIES || job_wait(job, -1, 0, DYING_MS, err) < 0)
            return -1;
    return task_folder_remove(folder->path, err);
}

static int clear_up_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct folder *folder = in;
    struct error stop = { 0 };

    (void)out;
    for (int tries = 0; clear_up(job, folder, err) < 0; tries++)
        if (tries + 1 == TRIES || job_wait(job, -1, 0, TRY_MS << tries, &stop) < 0)
            return -1;
    return 0;
}

static void run_clear_up(struct tasks *tasks, const char *namespace, const char *path, bool quit_first)
{
    struct folder folder = { .quit = quit_first };
    struct error err;

    snprintf(folder.path, sizeof(folder.path), "%s", path);
    if (loop_run(tasks->loop, namespace, clear_up_job, NULL, &folder, sizeof(folder), &err) < 0)
        log_warn("tasks", "clear up %s: %s", path, err.text);
}

void task_clear_up(struct tasks *tasks, const char *namespace, const char *path)
{
    run_clear_up(tasks, namespace, path, false);
}

void task_give_up(struct tasks *tasks, const char *namespace, const char *path)
{
    run_clear_up(tasks, namespace, path, true);
}

static void take_process(struct task *task, const struct shim_process *told)
{
    struct process *process = task_process(task, told->exec);
    struct shim_exit exit = { .exec = told->exec, .status = told->exit_status, .time = told->exited,
                              .oom = told->oom, .has_oom = told->has_oom };

    if (process == NULL) {
        process = zmalloc(sizeof(*process));
        snprintf(process->exec, sizeof(process->exec), "%s", told->exec);
        process->next = task->execs;
        process->detached = true; /* whoever asked for it is not known any more */
        task->execs = process;
    }
    process->pid = told->pid;
    process->started = told->has_started ? told->started : 0;
    process->tty = told->has_tty && told->tty;
    process->stdin = told->has_stdin && told->stdin;
    process->status = strcmp(told->status, "created") == 0 ? TASK_CREATED : TASK_RUNNING;
    if (strcmp(told->status, "stopped") == 0)
        task_ended(task, process, &exit, NULL);
}

static void take_state(struct task *task, struct waiter *waiter, const struct shim_tell *tell)
{
    const struct shim_process *processes;

    (void)waiter;
    if (tell == NULL || tell->state == NULL)
        return;
    processes = tell->state->processes.items;
    for (size_t i = tell->state->processes.count; i > 0; i--) /* the container's own last: its end ends all */
        take_process(task, &processes[i - 1]);
    if (task->init.status != TASK_STOPPED)
        row_put(task, "");
}

static int ask_state(struct task *task, struct error *err)
{
    struct shim_ask ask = { .what = "state" };
    struct waiter *waiter;

    if (task_connect(task, err) < 0)
        return -1;
    ask.id = ++task->last_ask;
    if (task_link_send(task->link, &ask, err) < 0)
        return -1;
    waiter = waiter_add(task, NULL, NULL);
    waiter->ask = ask.id;
    waiter->answer = take_state;
    return 0;
}

static bool has_container(struct tasks *tasks, const char *namespace, const char *id)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    return db_query(tasks->db, &query, &err, "SELECT 1 FROM containers_container WHERE namespace = ? AND id = ?", "ss",
                    namespace, id) == 0 && query_next(&query, &err) == 1;
}

/* What the row says of this folder: nothing (-1), that another one is meant (0), that what was
   made in it runs (1) or has ended (2). */
static int row_says(struct tasks *tasks, const char *namespace, const char *id, const char *path)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    if (db_query(tasks->db, &query, &err, "SELECT folder, status FROM tasks_task WHERE namespace = ? AND id = ?", "ss",
                 namespace, id) < 0 || query_next(&query, &err) != 1 || query_is_null(&query, 0))
        return -1;
    if (!streq(query_text(&query, 0), path))
        return fs_exists(query_text(&query, 0)) ? 0 : -1;
    return streq(query_text(&query, 1), "stopped") ? 2 : 1;
}

static void shim_is_dead(struct task *task, struct arena *arena)
{
    struct shim_exit exit;
    struct error err = { 0 };
    bool known = task_exit_read(task->folder, NULL, arena, &exit, &err) == 0;

    if (!known && err.os != 0 && err.code != ERROR_NOT_FOUND) { /* it is there, and cannot be read now */
        log_warn("tasks", "container %s: how it ended: %s", task->id, err.text);
        task_again(task);
        return;
    }
    task_ended(task, &task->init, known ? &exit : NULL, known ? NULL : "supervisor lost");
    task->needs_reaping = true;
    row_settle(task);
}

void task_reconnect(struct task *task, struct arena *arena)
{
    struct shim_ask quit = { .what = "quit" };
    struct error why = { 0 };

    if (ask_state(task, &why) < 0) {
        if (task->link != NULL) {
            loop_unwatch(task->home->loop, task_link_fd(task->link));
            task_link_close(&task->link);
        }
        /* One that lives and does not listen was not born yet, or goes already: it ends by itself. */
        if (why.code == ERROR_NOT_FOUND || !task_shim_is_alive(task->folder)) {
            shim_is_dead(task, arena);
            return;
        }
        log_warn("tasks", "container %s: its supervisor cannot be reached now: %s", task->id, why.text);
        task_again(task);
        return;
    }
    if (!has_container(task->home, task->namespace, task->id))
        task_ask(task, NULL, &quit, NULL, &why);
}

static int take_folder(void *ctx, const char *path, const char *name, struct error *err)
{
    struct tasks *tasks = ctx;
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct shim_task record;
    struct error why = { 0 };
    struct task *task;

    (void)name;
    if (task_record_read(path, arena, &record, &why) < 0) {
        if (why.os != 0 && why.code != ERROR_NOT_FOUND)
            return *err = why, -1; /* what cannot be read now may be a container that runs */
        log_warn("tasks", "%s: %s: it is removed", path, why.text);
        task_clear_up(tasks, NULL, path);
        return 0;
    }
    if (row_says(tasks, record.namespace, record.id, path) == 0) {
        log_info("tasks", "%s: of an earlier run of container %s: it is removed", path, record.id);
        task_give_up(tasks, record.namespace, path);
        return 0;
    }
    if (!has_container(tasks, record.namespace, record.id))
        log_info("tasks", "container %s has a supervisor and no record: it is ended", record.id);
    task = task_new(tasks, record.namespace, record.id);
    snprintf(task->folder, sizeof(task->folder), "%s", path);
    task->init.status = TASK_RUNNING;
    task->remove = record.has_remove && record.remove;
    task->is_told = row_says(tasks, record.namespace, record.id, path) == 2;
    task_reconnect(task, arena);
    return 0;
}

struct lost {
    char namespace[80], id[80];
    char reason[32];
    int64_t now;
};

static int put_lost(struct write *write, const void *in, void *out, struct error *err)
{
    const struct lost *lost = write_ctx(write);

    (void)in, (void)out;
    if (db_run(write_db(write), err,
               "UPDATE tasks_task SET status = 'stopped', exit_status = 255, exited = ?, reason = ?, pid = NULL "
               "WHERE namespace = ? AND id = ?",
               "isss", lost->now, lost->reason, write_namespace(write), lost->id) < 0)
        return -1;
    return emit(write, "/tasks/exit", lost->id, err, "exit_status", "255", "reason", lost->reason, NULL);
}

static bool wants_removal(struct tasks *tasks, const char *namespace, const char *id)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct container_info info;
    struct error err;

    return container_find(tasks->db, namespace, id, false, arena, &info, &err) == 0 && info.has_remove && info.remove;
}

/* Not before the end is written: a removal looks for it, to take the row along. */
static int lost_written(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    const struct lost *lost = ctx;

    (void)request, (void)out;
    if (err != NULL)
        log_warn("tasks", "container %s: its end could not be written: %s", lost->id, err->text);
    else if (wants_removal(self, lost->namespace, lost->id))
        task_container_remove(self, lost->namespace, lost->id);
    return 0;
}

/* Rows whose shim is nowhere: the machine was restarted, or the run-time folder was emptied. */
static int put_rows_right(struct tasks *tasks, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int more;

    if (db_query(tasks->db, &query, err, "SELECT namespace, id, boot, status FROM tasks_task", "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        struct lost lost = { .now = clock_now() };
        const char *namespace = query_text(&query, 0);
        bool stopped = strcmp(query_text(&query, 3), "stopped") == 0;

        snprintf(lost.namespace, sizeof(lost.namespace), "%s", namespace);
        snprintf(lost.id, sizeof(lost.id), "%s", query_text(&query, 1));
        snprintf(lost.reason, sizeof(lost.reason), "%s",
                 strcmp(query_text(&query, 2), machine_boot_id()) != 0 ? "host restarted" : "supervisor lost");
        if (task_find(tasks, namespace, lost.id) != NULL)
            continue;
        if (!stopped)
            loop_write(tasks->loop, namespace, put_lost, lost_written, &lost, sizeof(lost));
        else if (wants_removal(tasks, namespace, lost.id))
            task_container_remove(tasks, namespace, lost.id);
    }
    return more;
}

int tasks_recover(struct tasks *tasks, struct error *err)
{
    char folder[PATH_SIZE];

    if (path_format(folder, err, "%s/t", tasks->config->state) < 0 || fs_folder_make(folder, 0711, err) < 0 ||
        task_folders_each(tasks->config->state, take_folder, tasks, err) < 0)
        return -1;
    return put_rows_right(tasks, err);
}
