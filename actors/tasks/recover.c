/*
 * After a start: the shims' folders are walked and reconnected; rows that say
 * "running" without a shim are put right.  What ended while nobody looked has its exit
 * status in its folder, and its event is written now, once.
 */
#include "actors/base/containers.h"
#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

static void take_process(struct task *task, const struct shim_process *told)
{
    struct process *process = task_process(task, told->exec);
    /* News may have been quicker than this answer: what has ended stays so. */
    bool has_ended = process != NULL && process->status == TASK_STOPPED;
    struct shim_exit exit = { .exec = told->exec, .status = told->exit_status, .time = told->exited,
                              .oom = told->oom, .has_oom = told->has_oom };

    if (has_ended)
        return;
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

/* When it was created; 0: there is none. */
static int64_t container_made(struct tasks *tasks, const char *namespace, const char *id)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    if (db_query(tasks->db, &query, &err, "SELECT created FROM containers_container WHERE namespace = ? AND id = ?",
                 "ss", namespace, id) < 0 || query_next(&query, &err) != 1)
        return 0;
    return query_int(&query, 0);
}

/* What the row says of this run, until the shim has answered: whoever asks at once is not told
   that runs what was only created. */
static void take_row(struct tasks *tasks, struct task *task)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    task->init.status = TASK_RUNNING;
    if (db_query(tasks->db, &query, &err,
                 "SELECT status, pid, started FROM tasks_task WHERE namespace = ? AND id = ? AND folder = ?", "sss",
                 task->namespace, task->id, task->folder) < 0 || query_next(&query, &err) != 1)
        return;
    if (streq(query_text(&query, 0), "created"))
        task->init.status = TASK_CREATED;
    task->init.pid = (uint64_t)query_int(&query, 1);
    task->init.started = query_int(&query, 2);
}

/* The container has a row, of another folder that is there too. */
static bool is_of_earlier_run(struct tasks *tasks, const char *namespace, const char *id, const char *path)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    return db_query(tasks->db, &query, &err, "SELECT folder FROM tasks_task WHERE namespace = ? AND id = ?", "ss",
                    namespace, id) == 0 &&
           query_next(&query, &err) == 1 && !query_is_null(&query, 0) && !streq(query_text(&query, 0), path) &&
           fs_exists(query_text(&query, 0));
}

static bool was_born(const struct task *task)
{
    struct error err;
    char pid[PATH_SIZE], exit[PATH_SIZE];

    return path_format(pid, &err, "%s/pid", task->folder) < 0 || fs_exists(pid) ||
           path_format(exit, &err, "%s/exit", task->folder) < 0 || fs_exists(exit);
}

void task_reconnect(struct task *task)
{
    struct error why = { 0 };

    if (ask_state(task, &why) == 0) {
        struct shim_ask end = { .what = "kill", SET(signal, 9), SET(all, true) };

        if (task->made == 0)
            task_ask(task, NULL, &end, NULL, &why);
        return;
    }
    if (task->link != NULL) {
        loop_unwatch(task->home->loop, task_link_fd(task->link));
        task_link_close(&task->link);
    }
    /* One that lives and does not listen was not born yet, or goes already: it ends by itself. */
    if (why.code != ERROR_NOT_FOUND && task_shim_is_alive(task->folder)) {
        log_warn("tasks", "container %s: its supervisor cannot be reached now: %s", task->id, why.text);
        task_again(task);
        return;
    }
    if (!was_born(task)) { /* so nobody was told of it */
        task->init.status = TASK_STOPPED;
        task->init.written = task->deleted = true;
    }
    task_dead(task);
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
    if (is_of_earlier_run(tasks, record.namespace, record.id, path)) {
        log_info("tasks", "%s: of an earlier run of container %s: it is removed", path, record.id);
        task_clear_up(tasks, NULL, path);
        return 0;
    }
    task = task_new(tasks, record.namespace, record.id);
    task->made = container_made(tasks, task->namespace, task->id);
    if (task->made == 0)
        log_info("tasks", "container %s has a supervisor and no record: it is ended", record.id);
    snprintf(task->folder, sizeof(task->folder), "%s", path);
    take_row(tasks, task);
    task->found = true;
    task->remove = record.has_remove && record.remove;
    task_reconnect(task);
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
    if (emit(write, "/tasks/exit", lost->id, err, "exit_status", "255", "reason", lost->reason, NULL) < 0)
        return -1;
    return emit(write, "/tasks/delete", lost->id, err, NULL);
}

static void remove_if_wanted(struct tasks *tasks, const char *namespace, const char *id)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct container_info info;
    struct error err;

    if (container_find(tasks->db, namespace, id, false, arena, &info, &err) == 0 && info.has_remove && info.remove)
        task_container_remove(tasks, namespace, id, info.has_created ? info.created : 0);
}

/* Not before the end is written: a removal looks for it, to take the row along. */
static int lost_written(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    const struct lost *lost = ctx;

    (void)request, (void)out;
    if (err != NULL)
        log_warn("tasks", "container %s: its end could not be written: %s", lost->id, err->text);
    else
        remove_if_wanted(self, lost->namespace, lost->id);
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
        else
            remove_if_wanted(tasks, namespace, lost.id);
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
