/*
 * starts — the container's own process is started by the runtime's `start`, or by its `run`
 * when its creation was deferred; an additional one by its `exec`: no runtime creates those
 * first.  So ask exec, like a deferred creation, only checks and makes the pipes, which is
 * enough for clients to attach before anything runs; ask start runs it.
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

static void exec_started(struct command *command, const struct error *failure)
{
    struct process *process = command->process;
    struct error err = { 0 };

    process->is_starting = false;
    ends_close(&process->ends);
    if (failure == NULL && process_take(command, &err) < 0)
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
    if (command_run(command, args, process->is_terminal ? NULL : &process->ends, err) == 0)
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
    if (command_run(command, args, NULL, err) < 0)
        return -1;
    asking->process->started = time_now();
    asking->process->is_starting = true;
    return 0;
}

/* ---- run: create and start in one go ---------------------------------------------- */

/* It can be tried again; what was sent to it meanwhile would have ended it. */
static void run_failed(struct command *command, const struct error *failure)
{
    struct process *own = command->process;

    own->started = 0;
    answer_failure(command->shim, command->asker, failure);
    if (own->pending_signal != 0)
        process_give_up(own, own->pending_signal);
}

static void run_done(struct command *command, const struct error *failure)
{
    struct process *own = command->process;
    struct shim *shim = command->shim;
    struct error err = { 0 };

    own->is_starting = false;
    if (failure != NULL) {
        run_failed(command, failure);
        return;
    }
    ends_close(&own->ends);
    if (process_take(command, &err) < 0 || pid_write(shim, own->pid, &err) < 0) {
        answer_failure(shim, command->asker, &err);
        shim_undo(shim);
        return;
    }
    memory_open(&shim->memory, own->pid);
    own->state = STATE_RUNNING;
    if (own->pending_signal != 0 && !own->has_ended)
        kill(own->pid, own->pending_signal);
    answer_pid(shim, command->asker, own->pid);
    streams_read(own);
}

static int run_start(struct asking *asking, struct error *err)
{
    struct process *own = asking->process;
    struct shim *shim = asking->shim;
    struct command *command = command_new(own, "run", run_done);
    char pid_file[NAME_SIZE];
    const char *args[] = { "--detach", "--bundle",           shim->folder, "--pid-file",
                           pid_file,   shim->task.runtime_id, NULL };

    command_pid_file(command->number, pid_file);
    command->asker = asking->asker;
    command->wants_console = own->is_terminal;
    if (command_run(command, args, own->is_terminal ? NULL : &own->ends, err) < 0)
        return -1;
    own->started = time_now();
    own->is_starting = true;
    return 0;
}

int on_start(struct asking *asking, struct error *err)
{
    if (asking->process->is_starting)
        return error_set(err, ERROR_ABORTED, "it is being started already");
    if (asking->process->exec[0] != '\0')
        return exec_start(asking, err);
    return asking->process->pid == 0 ? run_start(asking, err) : init_start(asking, err);
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
