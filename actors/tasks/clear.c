/*
 * Clearing up after a shim that could not do it itself: one that still lives is told to end what
 * it has, what a dead one left is killed and unmounted, and then the folder goes.
 */
#include "actors/base/log.h"
#include "actors/tasks/task.h"
#include "platform/scope.h"

#define DYING_TRIES 100 /* so often a shim that ends is looked at again, */
#define DYING_MS    50  /* with so much time between */
#define TRIES       5
#define TRY_MS      100 /* before the second try; each wait is twice the one before */
#define QUITTING_MS 10000

struct folder {
    char path[PATH_SIZE];
};

/* It hangs up when nothing is left. One that cannot be reached is not born yet, or dies already. */
static int quit(struct job *job, const char *folder, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct error no_matter;
    CLEANUP(task_link_close) struct task_link *link = task_link_open(folder, &no_matter);
    const struct shim_ask ask = { .id = 1, .what = "quit" };
    struct shim_tell tell;
    int got, there;

    if (link == NULL || task_link_send(link, &ask, &no_matter) < 0)
        return 0;
    while ((got = task_link_receive(link, arena, &tell, &no_matter)) >= 0) {
        if (got == 1)
            continue;
        there = job_wait(job, task_link_fd(link), JOB_FD, QUITTING_MS, err);
        if (there <= 0)
            return there < 0 ? -1 : error_set(err, ERROR_DEADLINE_EXCEEDED, "%s: its supervisor does not quit", folder);
    }
    return 0;
}

static int undo(struct job *job, const char *folder, struct error *err)
{
    /* A shim that was killed lets go of its socket a moment before it is dead. */
    for (int tries = 0; task_reap_dead(folder, err) < 0; tries++)
        if (err->code != ERROR_FAILED_PRECONDITION || tries == DYING_TRIES || quit(job, folder, err) < 0 ||
            job_wait(job, -1, 0, DYING_MS, err) < 0)
            return -1;
    return task_folder_remove(folder, err);
}

int task_folder_undo(struct job *job, const char *folder, struct error *err)
{
    struct error stop = { 0 };

    for (int tries = 0; undo(job, folder, err) < 0; tries++)
        if (tries + 1 == TRIES || job_wait(job, -1, 0, TRY_MS << tries, &stop) < 0)
            return -1;
    return 0;
}

static int clear_up_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)out;
    return task_folder_undo(job, ((const struct folder *)in)->path, err);
}

static struct task *task_in(struct tasks *tasks, const char *folder)
{
    struct task *task = tasks->first;

    while (task != NULL && !streq(task->folder, folder))
        task = task->next;
    return task;
}

static void cleared_up(void *self, const void *in, const struct error *err)
{
    const struct folder *folder = in;
    struct task *task = task_in(self, folder->path);

    if (err != NULL)
        log_warn("tasks", "clear up %s: %s; the next start tries again", folder->path, err->text);
    if (task != NULL)
        task_forget(task);
}

void task_clear_up(struct tasks *tasks, struct task *task, const char *path)
{
    struct folder folder;
    struct error err;

    snprintf(folder.path, sizeof(folder.path), "%s", path);
    if (loop_run(tasks->loop, task != NULL ? task->namespace : NULL, clear_up_job, cleared_up, &folder, sizeof(folder),
                 &err) < 0)
        cleared_up(tasks, &folder, &err);
}

void task_forget(struct task *task)
{
    if (task->remove)
        task_container_remove(task->home, task->namespace, task->id, task->made);
    task_free(task);
}
