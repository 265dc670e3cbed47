/*
 * asks — what may be asked, and when: one table.  A question about a process that is not
 * in one of the states named there is refused with FAILED_PRECONDITION; a question that
 * takes the runtime is answered when the runtime has ended, and others go on meanwhile.
 */
#include "platform/linux/shim/asks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIDS_MAX 6000 /* what goes into one packet */

/* ---- answers ---------------------------------------------------------------- */

void answer(struct shim *shim, struct asker asker, struct shim_tell *tell)
{
    tell->id = asker.id;
    for (struct client *client = shim->clients; client != NULL; client = client->next)
        if (client->number == asker.client && !client->is_lost)
            client_tell(client, tell);
}

void answer_ok(struct shim *shim, struct asker asker)
{
    struct shim_tell tell = { .what = "ok" };

    answer(shim, asker, &tell);
}

void answer_failure(struct shim *shim, struct asker asker, const struct error *err)
{
    const struct failure failure = { .code = error_code_name(err->code),
                                     .message = err->text,
                                     .os = err->os,
                                     .has_os = err->os != 0,
                                     .hint = err->hint[0] != '\0' ? err->hint : NULL };
    struct shim_tell tell = { .what = "error", .failure = &failure };

    answer(shim, asker, &tell);
}

void answer_pid(struct shim *shim, struct asker asker, pid_t pid)
{
    struct shim_tell tell = { .what = "ok", SET(pid, (uint64_t)pid) };

    answer(shim, asker, &tell);
}

/* ---- state ------------------------------------------------------------------ */

static void describe(const struct process *process, struct shim_process *out)
{
    bool has_ended = process->state == STATE_STOPPED;

    *out = (struct shim_process){
        .exec = process->exec[0] != '\0' ? process->exec : NULL,
        .status = process_status(process),
        .pid = (uint64_t)process->pid,
        .has_pid = process->pid > 0,
        .exit_status = process->exit_status,
        .has_exit_status = has_ended,
        .started = process->started,
        .has_started = process->started > 0,
        .exited = process->exited,
        .has_exited = has_ended,
        .tty = process->is_terminal,
        .has_tty = true,
        .stdin = process->input.is_wanted,
        .has_stdin = true,
        .oom = process->is_oom,
        .has_oom = has_ended,
    };
}

static int on_state(struct asking *asking, struct error *err UNUSED)
{
    struct shim_state state = { 0 };
    struct shim_tell tell = { .what = "ok", .state = &state };
    struct shim_process *list =
        arena_alloc(asking->arena, processes_count(asking->shim) * sizeof(*list));

    for (struct process *at = asking->shim->processes; at != NULL; at = at->next)
        describe(at, &list[state.processes.count++]);
    state.processes.items = list;
    answer(asking->shim, asking->asker, &tell);
    return 0;
}

/* ---- kill ---------------------------------------------------------------------- */

static void simply_done(struct command *command, const struct error *failure)
{
    if (failure != NULL)
        answer_failure(command->shim, command->asker, failure);
    else
        answer_ok(command->shim, command->asker);
}

static int kill_all(struct asking *asking, int signal, struct error *err)
{
    char number[12];
    const char *args[] = { "--all", asking->shim->task.runtime_id, number, NULL };
    struct command *command = command_new(asking->process, "kill", simply_done);

    snprintf(number, sizeof(number), "%d", signal);
    command->asker = asking->asker;
    return command_run(command, args, NULL, err);
}

/* What a program that has set up nothing survives. */
static bool ends_process(int signal)
{
    static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

    for (size_t i = 0; i < COUNT_OF(harmless); i++)
        if (signal == harmless[i])
            return false;
    return true;
}

/* The container's own process, before the runtime was asked for it, or while it is. */
static int kill_unborn(struct asking *asking, int signal)
{
    struct process *own = asking->process;

    answer_ok(asking->shim, asking->asker);
    if (!ends_process(signal))
        return 0;
    if (own->is_starting)
        own->pending_signal = signal;
    else
        process_give_up(own, signal);
    return 0;
}

/* Its number cannot have gone to another: it is our child, and we have not reaped it. */
static int on_kill(struct asking *asking, struct error *err)
{
    struct process *process = asking->process;

    if (!asking->ask->has_signal || asking->ask->signal < 1 || asking->ask->signal > SIGRTMAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "kill: signal is not a number from 1 to %d",
                         SIGRTMAX);
    if (process->exec[0] == '\0' && process->pid == 0 && !process->has_ended)
        return kill_unborn(asking, (int)asking->ask->signal);
    if (asking->ask->all && asking->ask->signal == SIGKILL)
        still_break(asking->shim);
    if (asking->ask->all)
        return kill_all(asking, (int)asking->ask->signal, err);
    if (process->pid <= 0 || process->has_ended)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the process %s",
                         process->has_ended ? "has ended" : "is not started");
    if (asking->ask->signal == SIGKILL)
        still_break(asking->shim);
    if (kill(process->pid, (int)asking->ask->signal) < 0)
        return error_sys(err, errno, "signal %d", (int)asking->ask->signal);
    answer_ok(asking->shim, asking->asker);
    return 0;
}

/* ---- streams -------------------------------------------------------------------- */

static int on_resize(struct asking *asking, struct error *err)
{
    const struct window *window = asking->ask->window;

    if (window == NULL || window->rows > UINT16_MAX || window->columns > UINT16_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "resize: window is missing or beyond 65535");
    if (terminal_resize(asking->process, window, err) < 0)
        return -1;
    answer_ok(asking->shim, asking->asker);
    return 0;
}

static int on_close_stdin(struct asking *asking, struct error *err UNUSED)
{
    input_end(asking->process);
    answer_ok(asking->shim, asking->asker);
    return 0;
}

/* Where a client that attaches now comes in. */
static void answer_position(struct asking *asking)
{
    const struct process *process = asking->process;
    struct shim_position position = { .stdout = process->out.seen, .stderr = process->error.seen };
    struct shim_tell tell = { .what = "ok", .position = &position };
    struct log *log = &asking->shim->log;

    if (process->exec[0] == '\0' && log_identity(log, &position.log_file)) {
        position.log_size = log->size;
        position.has_log_file = position.has_log_size = true;
    }
    answer(asking->shim, asking->asker, &tell);
}

static int on_attach(struct asking *asking, struct error *err)
{
    struct client *client = asking->client;
    struct process *process = asking->process;

    if (client->is_stream)
        return error_set(err, ERROR_FAILED_PRECONDITION, "this connection is attached already");
    if (asking->ask->stdin && !process->input.is_wanted)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "the process was made without standard input");
    client->is_stream = true;
    client_widen(client);
    client->sends_input = asking->ask->stdin;
    client->holds = client->was_held = asking->ask->hold;
    answer_position(asking);
    if (client->is_lost)
        return 0;
    client->process = process;
    if (process->is_over || (process->state == STATE_STOPPED && !process->is_told)) {
        clients_end(process);
    } else if (client->holds) {
        process->is_waiting = false;
        streams_read(process);
    }
    return 0;
}

/* ---- pids ------------------------------------------------------------------------- */

/* `[1, 2, 3]`, as every runtime prints it.  Yields how many; list NULL: only counts. */
static size_t pids_parse(const char *text, struct process_info *list)
{
    size_t count = 0;

    for (const char *at = text; *at != '\0'; at++) {
        char *end;
        uint64_t pid;

        if (*at < '0' || *at > '9')
            continue;
        pid = strtoull(at, &end, 10);
        if (list != NULL)
            list[count].pid = pid;
        count++;
        at = end - 1;
    }
    return count;
}

static void pids_listed(struct command *command, const struct error *failure)
{
    struct arena *arena = arena_new();
    struct tasks_pids_reply pids = { 0 };
    struct shim_tell tell = { .what = "ok", .pids = &pids };
    struct error err = { 0 };
    ssize_t size = pread(command->output, shim_packet, SHIM_PACKET_MAX, 0);

    shim_packet[size > 0 ? size : 0] = '\0';
    pids.processes.count = pids_parse(shim_packet, NULL);
    if (failure == NULL && pids.processes.count > PIDS_MAX) {
        error_set(&err, ERROR_RESOURCE_EXHAUSTED, "the container has more than %d processes",
                  PIDS_MAX);
        failure = &err;
    }
    if (failure != NULL) {
        answer_failure(command->shim, command->asker, failure);
    } else {
        pids.processes.items =
            arena_alloc(arena, pids.processes.count * sizeof(struct process_info));
        pids_parse(shim_packet, pids.processes.items);
        answer(command->shim, command->asker, &tell);
    }
    arena_free(arena);
}

static int on_pids(struct asking *asking, struct error *err)
{
    const char *args[] = { "--format", "json", asking->shim->task.runtime_id, NULL };
    struct tasks_pids_reply none = { 0 };
    struct shim_tell tell = { .what = "ok", .pids = &none };
    struct command *command;

    if (asking->shim->processes->pid == 0)
        return answer(asking->shim, asking->asker, &tell), 0;
    command = command_new(asking->shim->processes, "ps", pids_listed);

    command->asker = asking->asker;
    command->wants_output = true;
    return command_run(command, args, NULL, err);
}

/* ---- the table ------------------------------------------------------------------------ */

#define NOT_ENDED (STATE_CREATED | STATE_RUNNING)
#define ANY       (STATE_CREATED | STATE_RUNNING | STATE_STOPPED)

/* clang-format off */
static const struct question {
    const char *name;
    unsigned states; /* of the process it is about; 0: it is about none, or none that exists */
    ask_handler *handle;
} questions[] = {
    { "state", 0, on_state },
    { "start", STATE_CREATED, on_start },
    { "kill", NOT_ENDED, on_kill },
    { "exec", 0, on_exec },
    { "resize", NOT_ENDED, on_resize },
    { "close_stdin", ANY, on_close_stdin },
    { "attach", ANY, on_attach },
    { "pids", 0, on_pids },
    { "still", ANY, on_still },
    { "delete", ANY, on_delete },
    { "quit", 0, on_quit },
};
/* clang-format on */

static const struct question *question_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(questions); i++)
        if (strcmp(questions[i].name, name) == 0)
            return &questions[i];
    return NULL;
}

static int handle(struct asking *asking, struct error *err)
{
    const struct shim_ask *ask = asking->ask;
    const struct question *question = question_find(ask->what);

    if (question == NULL)
        return error_set(err, ERROR_UNIMPLEMENTED, "this shim does not know '%.40s'", ask->what);
    if (asking->client->wants_still && question->handle != on_still)
        return error_set(err, ERROR_PERMISSION_DENIED, "this connection asks for nothing but still");
    if (asking->shim->is_ending)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the container is deleted");
    if (question->states == 0)
        return question->handle(asking, err);
    asking->process = process_find(asking->shim, ask->exec);
    if (asking->process == NULL)
        return error_set(err, ERROR_NOT_FOUND, "no process %.80s in this container", ask->exec);
    if (!(asking->process->state & question->states))
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: the process is %s", question->name,
                         process_status(asking->process));
    return question->handle(asking, err);
}

void ask_handle(struct client *client, const char *bytes, size_t size)
{
    struct arena *arena = arena_new();
    struct shim_ask ask = { 0 };
    struct asking asking = { client->shim, client, { client->number, 0 }, &ask, NULL, arena };
    struct error err = { 0 };

    if (record_unpack(shim_ask_record(), RECORD_STRICT, bytes, size, &ask, arena, &err) < 0) {
        answer_failure(client->shim, asking.asker, &err);
        client_lose(client);
    } else {
        asking.asker.id = ask.id;
        if (handle(&asking, &err) < 0)
            answer_failure(client->shim, asking.asker, &err);
    }
    arena_free(arena);
}
