/*
 * One supervisor is started ahead, so that a container's start need not wait for a program to be
 * loaded.  It is made when nothing was created for a while: in a rush it would only be in the way.
 */
#include "actors/base/log.h"
#include "actors/tasks/task.h"

#define SPARE_AFTER_MS 15

struct spare_wish {
    struct task_spare *spare;
};

static int spare_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct spare_wish *wish = in;

    (void)job, (void)out;
    return task_spare_start(NULL, wish->spare, err);
}

static void spare_made(void *self, const void *in, const struct error *err)
{
    const struct spare_wish *wish = in;
    struct tasks *tasks = self;

    tasks->makes_spare = false;
    if (err != NULL)
        log_debug("tasks", "no supervisor ahead: %s", err->text);
    else if (tasks->spare.is_there || loop_is_stopping(tasks->loop))
        task_spare_drop(wish->spare);
    else
        tasks->spare = *wish->spare;
    free(wish->spare);
}

static void spare_make(void *self, void *arg)
{
    struct tasks *tasks = self;
    struct spare_wish wish = { zmalloc(sizeof(struct task_spare)) };
    struct error err;

    (void)arg;
    if (!tasks->spare.is_there &&
        loop_run(tasks->loop, NULL, spare_job, spare_made, &wish, sizeof(wish), &err) == 0)
        return;
    tasks->makes_spare = false;
    free(wish.spare);
}

void spare_soon(struct tasks *tasks)
{
    if (tasks->makes_spare || tasks->spare.is_there)
        return;
    tasks->makes_spare = true;
    loop_timer(tasks->loop, SPARE_AFTER_MS, 1, spare_make, NULL);
}
