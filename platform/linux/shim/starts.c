/*
 * starts — the container's own process is started by the runtime's `start`, an additional one
 * by its `exec`: no runtime creates those first.  So ask exec only checks and makes the pipes,
 * which is enough for clients to attach before anything runs; ask start runs it.
 */
#include "platform/linux/shim/asks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- start ------------------------------------------------------------------- */

static void init_started(struct command *command, const struct error *failure)
{
    struct process *process = command->process;

    process->is_starting = false;
    if (failure != NULL) {
        process->started = 0;
        answer_failure(command->shim, command->asker, failure);
        return;
    }
    process->state = STATE_RUNNING;
    answer_pid(command->shim, command->asker, process->pid);
}

/* Never started: it has a status as a shell would give it, and nothing else. */
static void exec_failed(struct process *process, const struct error *failure)
{
    process->state = STATE_STOPPED;
    process->started = 0;
    process->exited = time_now();
    process->exit_status = failure->code == ERROR_NOT_FOUND           ? 127
                           : failure->code == ERROR_PERMISSION_DENIED ? 126
                                                                      : 125;
    clients_fail(process, failure);
    streams_close(process);
}

static int exec_take(struct command *command, struct error *err)
{
    struct process *process = command->process;
    int master;

    if (command_pid_read(command, &process->pid, err) < 0)
        return -1;
    orphans_claim(process);
    if (!process->is_terminal)
        return 0;
    master = console_take(command->console, err);
    if (master >= 0 && streams_take_terminal(process, master, err) == 0)
        return 0;
    kill(process->pid, SIGKILL); /* nobody could ever see it */
    process->pid = 0;
    return -1;
}

static void exec_started(struct command *command, const struct error *failure)
{
    struct process *process = command->process;
    struct error err = { 0 };

    process->is_starting = false;
    ends_close(&process->ends);
    if (failure == NULL && exec_take(command, &err) < 0)
        failure = &err;
    if (failure != NULL) {
        exec_failed(process, failure);
        answer_failure(command->shim, command->asker, failure);
        return;
    }
    process->state = STATE_RUNNING;
    answer_pid(command->shim, command->asker, process->pid);
    streams_read(process);
}

static int exec_start(struct asking *asking, struct error *err)
{
    struct process *process = asking->process;
    struct command *command = command_new(process, "exec", exec_started);
    const char *id = asking->shim->task.runtime_id;
    char pid_file[NAME_SIZE];
    const char *args[] = {
        "--process", process->file, "--detach", "--pid-file", pid_file, id, NULL
    };

    command_pid_file(command->number, pid_file);
    command->asker = asking->asker;
    command->wants_console = process->is_terminal;
    process->oom_before = memory_oom_kills(&asking->shim->memory);
    process->started = time_now();
    process->is_starting = true;
    if (command_start(command, args, process->is_terminal ? NULL : &process->ends, err) == 0)
        return 0;
    process->is_starting = false;
    exec_failed(process, err);
    return -1;
}

static int init_start(struct asking *asking, struct error *err)
{
    const char *args[] = { asking->shim->task.runtime_id, NULL };
    struct command *command = command_new(asking->process, "start", init_started);

    command->asker = asking->asker;
    if (command_start(command, args, NULL, err) < 0)
        return -1;
    asking->process->started = time_now();
    asking->process->is_starting = true;
    return 0;
}

int on_start(struct asking *asking, struct error *err)
{
    if (asking->process->is_starting)
        return error_set(err, ERROR_ABORTED, "it is being started already");
    return asking->process->exec[0] != '\0' ? exec_start(asking, err) : init_start(asking, err);
}

/* ---- exec ---------------------------------------------------------------------- */

static int exec_check(const struct asking *asking, struct error *err)
{
    const struct shim_ask *ask = asking->ask;

    if (ask->exec == NULL || !exec_is_valid(ask->exec))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "exec: its id takes 1 to %d letters, digits, '.', '_' and '-'",
                         EXEC_SIZE - 1);
    if (process_find(asking->shim, ask->exec) != NULL)
        return error_set(err, ERROR_ALREADY_EXISTS, "exec %s is there already", ask->exec);
    if (asking->shim->processes->state != STATE_RUNNING || asking->shim->is_quitting)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the container is %s, not running",
                         process_status(asking->shim->processes));
    if (ask->process == NULL || strchr(ask->process, '/') != NULL || ask->process[0] == '.' ||
        strlen(ask->process) >= NAME_SIZE || access(ask->process, R_OK) < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "exec %s: process is not the name of a file in the task's folder",
                         ask->exec);
    if (processes_count(asking->shim) > EXECS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "%d additional processes are known; delete those that have ended",
                         EXECS_MAX);
    return 0;
}

int on_exec(struct asking *asking, struct error *err)
{
    const struct shim_ask *ask = asking->ask;
    struct process *process;

    if (exec_check(asking, err) < 0)
        return -1;
    process = process_add(asking->shim, ask->exec);
    snprintf(process->file, sizeof(process->file), "%s", ask->process);
    process->is_terminal = ask->tty;
    process->input.is_wanted = ask->stdin;
    process->is_waiting = ask->hold;
    if (ask->window != NULL)
        process->window = *ask->window;
    if (streams_open(process, err) < 0) {
        process_remove(process);
        return -1;
    }
    answer_ok(asking->shim, asking->asker);
    return 0;
}
