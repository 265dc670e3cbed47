/*
 * Again: a step of a task's life that failed for want of something that may be there a moment
 * later (room on the disk, a descriptor) is tried again, less and less often, until it works.
 * Those are the connection to a shim that lives, the word that it may go, the row, and the end.
 */
#include "actors/tasks/task.h"

#define AGAIN_MS     250
#define AGAIN_MS_MAX 60000

static void on_again(void *self, void *arg)
{
    struct task *task = arg;

    (void)self;
    task->again = -1;
    if (task->is_over) {
        row_settle(task);
        return;
    }
    if (task->is_stale)
        row_put(task, "");
    if (task->link == NULL)
        task_reconnect(task); /* the last: it may end the task */
    else if (task->init.status == TASK_STOPPED && !task->winding_up)
        task_wind_up(task);
}

void task_again(struct task *task)
{
    if (task->again >= 0 || loop_is_stopping(task->home->loop))
        return;
    if (task->again_ms == 0)
        task->again_ms = AGAIN_MS;
    task->again = loop_timer(task->home->loop, task->again_ms, 1, on_again, task);
    task->again_ms = 2 * task->again_ms < AGAIN_MS_MAX ? 2 * task->again_ms : AGAIN_MS_MAX;
}
