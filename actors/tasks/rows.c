/*
 * What is kept of a task: one row per container, the last run.  The row is for `ps`,
 * also after the shim is gone, and for the time after a reboot.  Nobody waits for it but
 * those who wait for the end of a process: what they see next must know of it.
 */
#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

static const char *const steps[] = {
    "CREATE TABLE tasks_task ("
    " namespace TEXT NOT NULL, id TEXT NOT NULL, folder TEXT, status TEXT NOT NULL, pid INTEGER, exit_status INTEGER,"
    " started INTEGER, exited INTEGER, reason TEXT, boot TEXT NOT NULL, PRIMARY KEY (namespace, id)) STRICT, WITHOUT ROWID",
    NULL,
};

const struct db_schema tasks_schema = { "tasks", steps };

struct row {
    char namespace[80], id[80], exec[80], folder[PATH_SIZE], status[16], reason[32], topic[32], boot[64];
    uint64_t pid, exit_status;
    int64_t started, exited;
    bool row_too;
    bool put_too;
    bool silent; /* the event has been written already */
    bool found;  /* ... or may have been, before a restart: the journal knows */
};

static struct row row_of(const struct task *task, const struct process *process, const char *topic)
{
    struct row row = { .pid = process->pid, .exit_status = process->exit_status,
                       .started = process->started, .exited = process->exited };

    row.found = task->found;
    snprintf(row.namespace, sizeof(row.namespace), "%s", task->namespace);
    snprintf(row.id, sizeof(row.id), "%s", task->id);
    snprintf(row.exec, sizeof(row.exec), "%s", process->exec);
    snprintf(row.folder, sizeof(row.folder), "%s", task->folder);
    snprintf(row.status, sizeof(row.status), "%s", task_status_name(process->status));
    snprintf(row.reason, sizeof(row.reason), "%s", process->reason);
    snprintf(row.topic, sizeof(row.topic), "%s", topic);
    snprintf(row.boot, sizeof(row.boot), "%s", machine_boot_id());
    return row;
}

/* Whether the journal has this event of this process, since the task was created. */
static int told_before(struct write *write, const char *topic, const struct row *row, bool *told, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    char pid[24];
    int more = 0;

    *told = false;
    snprintf(pid, sizeof(pid), "%llu", (unsigned long long)row->pid);
    if (db_query(write_db(write), &query, err,
                 "SELECT fields FROM events_journal WHERE namespace = ?1 AND topic = ?2 AND id = ?3 AND sequence > "
                 "(SELECT coalesce(max(sequence), 0) FROM events_journal WHERE namespace = ?1 AND id = ?3 AND "
                 "topic = '/tasks/create')",
                 "sss", write_namespace(write), topic, row->id) < 0)
        return -1;
    while (!*told && (more = query_next(&query, err)) == 1) {
        struct map fields = query_labels(&query, 0, write_arena(write));
        const char *exec = map_get(&fields, "exec"), *told_pid = map_get(&fields, "pid");

        *told = strcmp(exec ? exec : "", row->exec) == 0 &&
                (told_pid == NULL || row->pid == 0 || strcmp(told_pid, pid) == 0);
    }
    return more < 0 ? -1 : 0;
}

static int emit_row(struct write *write, const struct row *row, struct error *err)
{
    bool is_exit = strcmp(row->topic, "/tasks/exit") == 0;
    char pid[24], status[24];
    bool told = false;

    if (row->found && told_before(write, row->topic, row, &told, err) < 0)
        return -1;
    if (told)
        return 0;
    snprintf(pid, sizeof(pid), "%llu", (unsigned long long)row->pid);
    snprintf(status, sizeof(status), "%llu", (unsigned long long)row->exit_status);
    return emit(write, row->topic, row->id, err, "exec", row->exec[0] ? row->exec : NULL, "pid", row->pid ? pid : NULL,
                "exit_status", is_exit ? status : NULL, "reason", row->reason[0] ? row->reason : NULL, NULL);
}

static int put(struct write *write, const void *in, void *out, struct error *err)
{
    const struct row *row = write_ctx(write);
    bool told = false;

    (void)in, (void)out;
    if (row->found && row->topic[0] && told_before(write, row->topic, row, &told, err) < 0)
        return -1;
    if (told)
        return 0; /* in the same transaction as the row */
    /* Only while the container is there: a removal that came first must not leave a row behind. */
    if (db_run(write_db(write), err,
               "INSERT INTO tasks_task (namespace, id, folder, status, pid, exit_status, started, exited, reason, boot) "
               "SELECT ?1, ?2, ?3, ?4, ?5, CASE WHEN ?4 = 'stopped' THEN ?6 END, nullif(?7, 0), nullif(?8, 0), "
               "nullif(?9, ''), ?10 WHERE EXISTS (SELECT 1 FROM containers_container WHERE namespace = ?1 AND id = ?2) "
               "ON CONFLICT (namespace, id) DO UPDATE SET folder = excluded.folder, status = excluded.status, "
               "pid = excluded.pid, exit_status = excluded.exit_status, started = excluded.started, "
               "exited = excluded.exited, reason = excluded.reason, boot = excluded.boot",
               "ssssuuiiss", write_namespace(write), row->id, row->folder, row->status, row->pid, row->exit_status,
               row->started, row->exited, row->reason, row->boot) < 0)
        return -1;
    return row->topic[0] ? emit_row(write, row, err) : 0;
}

static int put_event(struct write *write, const void *in, void *out, struct error *err)
{
    (void)in, (void)out;
    return emit_row(write, write_ctx(write), err);
}

static int drop_row(struct write *write, const struct row *row, struct error *err)
{
    bool told = row->silent;

    if (row->row_too && db_run(write_db(write), err, "DELETE FROM tasks_task WHERE namespace = ? AND id = ?", "ss",
                               write_namespace(write), row->id) < 0)
        return -1;
    if (!told && row->found && told_before(write, "/tasks/delete", row, &told, err) < 0)
        return -1;
    return told ? 0 : emit(write, "/tasks/delete", row->id, err, NULL);
}

/* A deletion that somebody waits for. */
struct deletion {
    struct row row;
    struct task_info info;
};

static struct task *task_of_row(struct tasks *tasks, const struct row *row)
{
    struct task *task = task_find(tasks, row->namespace, row->id);

    return task != NULL && streq(task->folder, row->folder) ? task : NULL;
}

static int row_written(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    const struct row *row = ctx;
    struct task *task = task_of_row(self, row);

    (void)request, (void)out;
    if (err != NULL)
        log_warn("tasks", "container %s: its task could not be written: %s", row->id, err->text);
    if (task == NULL)
        return 0;
    task->is_stale = err != NULL;
    if (task->is_stale)
        task_again(task);
    return 0;
}

void row_put(const struct task *task, const char *topic)
{
    struct row row = row_of(task, &task->init, topic);

    loop_write_relaxed(task->home->loop, task->namespace, put, row_written, &row, sizeof(row));
}

void row_event(const struct task *task, const char *topic, const struct process *process)
{
    struct row row = row_of(task, process, topic);

    loop_write_relaxed(task->home->loop, task->namespace, put_event, NULL, &row, sizeof(row));
}

static int exit_written(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    const struct row *row = ctx;
    struct task *task = task_of_row(self, row);
    struct process *process = task != NULL ? task_process(task, row->exec) : NULL;
    bool is_init = row->exec[0] == '\0';

    (void)request, (void)out;
    if (err != NULL)
        log_warn("tasks", "container %s: the end of a process could not be written: %s", row->id, err->text);
    if (process == NULL)
        return 0;
    process->durable = err == NULL;
    task_end_written(task, process); /* and an additional one may be gone */
    if (is_init && task->is_over)
        row_settle(task);
    return 0;
}

void row_exit(const struct task *task, const struct process *process)
{
    struct row row = row_of(task, process, "/tasks/exit");
    write_body *body = process == &task->init ? put : put_event;

    /* With --rm the row goes at once, and that is the write that waits for the disk. */
    if (task->remove)
        loop_write_relaxed(task->home->loop, task->namespace, body, exit_written, &row, sizeof(row));
    else
        loop_write(task->home->loop, task->namespace, body, exit_written, &row, sizeof(row));
}

static int drop_and_tell(struct write *write, const void *in, void *out, struct error *err)
{
    const struct deletion *deletion = write_ctx(write);

    if (drop_row(write, &deletion->row, err) < 0)
        return -1;
    (void)in;
    *(struct task_info *)out = deletion->info;
    return 0;
}

int row_delete(struct request *request, const struct task_info *info, bool silent, struct error *err)
{
    struct deletion *deletion = arena_alloc(request_arena(request), sizeof(*deletion));

    deletion->info = *info;
    deletion->info.id = arena_str(request_arena(request), info->id);
    deletion->info.reason = arena_str(request_arena(request), info->reason);
    deletion->row.row_too = true;
    deletion->row.silent = silent;
    snprintf(deletion->row.id, sizeof(deletion->row.id), "%s", info->id);
    return request_write(request, drop_and_tell, NULL, deletion, err);
}

/* ---- the end of a task ---------------------------------------------------------------------- */

/* After the commit: all that was told of the task can be read in the table. */
static int settled(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    const struct row *row = ctx;
    struct task *task = task_of_row(self, row);
    struct error failed;

    (void)request, (void)out;
    if (task == NULL)
        return 0;
    if (err != NULL) {
        log_warn("tasks", "container %s: the end of its task could not be written: %s", row->id, err->text);
        task->is_settling = false;
        task_again(task);
        return 0;
    }
    if (task->needs_undoing || task_folder_remove(task->folder, &failed) < 0)
        task_clear_up(task->home, task, task->folder);
    else
        task_forget(task);
    return 0;
}

/* The row too, where that could not be written before. */
static int settle(struct write *write, const void *in, void *out, struct error *err)
{
    const struct row *row = write_ctx(write);

    if (row->put_too && put(write, in, out, err) < 0)
        return -1;
    return drop_row(write, row, err);
}

void row_settle(struct task *task)
{
    struct row row = row_of(task, &task->init, "/tasks/exit");

    task->is_over = true;
    if (task->is_settling || !task->init.written) /* then it is called again */
        return;
    task->is_settling = true;
    row.silent = task->deleted;
    row.put_too = !task->init.durable && !task->deleted;
    if (row.put_too)
        loop_write(task->home->loop, task->namespace, settle, settled, &row, sizeof(row));
    else
        loop_write_relaxed(task->home->loop, task->namespace, settle, settled, &row, sizeof(row));
}

/* ---- removal of the container, for --rm -------------------------------------------------- */

struct removal {
    char id[80];
    int64_t made; /* 0: not known */
};

static int remove_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct removal *removal = in;
    struct containers_remove_request want = {
        .id = removal->id, .created = removal->made, .has_created = removal->made != 0
    };

    (void)out;
    if (call(job, &op_containers_remove, &want, NULL, err) < 0 && err->code != ERROR_NOT_FOUND)
        return error_wrap(err, "remove container %s, which was run with --rm", removal->id);
    return 0;
}

void task_container_remove(struct tasks *tasks, const char *namespace, const char *id, int64_t made)
{
    struct removal removal = { .made = made };
    struct error err;

    snprintf(removal.id, sizeof(removal.id), "%s", id);
    if (loop_run(tasks->loop, namespace, remove_job, NULL, &removal, sizeof(removal), &err) < 0)
        log_warn("tasks", "remove container %s: %s", id, err.text);
}
