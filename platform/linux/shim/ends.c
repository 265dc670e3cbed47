/*
 * ends — delete removes what has ended; quit ends whatever runs, then deletes.  When the
 * container's own process is deleted nothing is left to supervise, and the shim ends.
 */
#include "platform/linux/shim/asks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void deleted(struct command *command, const struct error *failure)
{
    struct shim *shim = command->shim;

    shim->is_deleting = false;
    if (failure != NULL) {
        shim->is_quitting = false;
        answer_failure(shim, command->asker, failure);
        return;
    }
    if (shim->is_quitting)
        cgroups_remove(shim->task.cgroup);
    rootfs_unmount();
    answer_ok(shim, command->asker);
    shim_end(shim);
}

/* With --force, so that a second attempt after half a first one succeeds. */
static int container_delete(struct shim *shim, struct asker asker, struct error *err)
{
    const char *args[] = { "--force", shim->task.runtime_id, NULL };
    struct command *command = command_new(shim->processes, "delete", deleted);

    command->asker = asker;
    if (command_run(command, args, NULL, err) < 0)
        return -1;
    shim->is_deleting = true;
    return 0;
}

static int exec_delete(struct asking *asking)
{
    struct process *process = asking->process;
    char name[NAME_SIZE];
    struct error gone = { .code = ERROR_CANCELLED, .text = "the process was deleted" };

    clients_fail(process, &gone);
    snprintf(name, sizeof(name), "exit.%s", process->exec);
    unlink(name);
    unlink(process->file);
    process_remove(process);
    answer_ok(asking->shim, asking->asker);
    return 0;
}

int on_delete(struct asking *asking, struct error *err)
{
    if (asking->process->exec[0] != '\0' && asking->process->commands > 0)
        return error_set(err, ERROR_ABORTED, "another command about it is under way");
    if (asking->process->exec[0] != '\0' && asking->process->state == STATE_RUNNING)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the process is running");
    if (asking->process->exec[0] != '\0')
        return exec_delete(asking);
    if (asking->shim->is_deleting)
        return error_set(err, ERROR_ABORTED, "it is being deleted already");
    if (asking->process->state != STATE_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the container is %s, not stopped",
                         process_status(asking->process));
    return container_delete(asking->shim, asking->asker, err);
}

int on_quit(struct asking *asking, struct error *err)
{
    struct process *own = asking->shim->processes;

    if (asking->shim->is_quitting || asking->shim->is_deleting)
        return error_set(err, ERROR_ABORTED, "it is being deleted already");
    asking->shim->is_quitting = true;
    asking->shim->quitter = asking->asker;
    if (own->is_starting)
        own->pending_signal = SIGKILL;
    else if (own->pid == 0 && !own->has_ended)
        process_give_up(own, SIGKILL);
    still_break(asking->shim);
    if (own->pid > 0 && !own->has_ended)
        kill(own->pid, SIGKILL);
    quit_go_on(asking->shim);
    return 0;
}

void quit_go_on(struct shim *shim)
{
    struct error err = { 0 };

    if (!shim->is_quitting || shim->is_deleting || shim->processes->state != STATE_STOPPED)
        return;
    if (container_delete(shim, shim->quitter, &err) < 0) {
        shim->is_quitting = false;
        answer_failure(shim, shim->quitter, &err);
    }
}
