/*
 * exits — who has ended.
 *
 * The shim is a subreaper: when the runtime has ended, what it started becomes our child,
 * and the kernel keeps a child's end until we fetch it, so none can be missed.  A status
 * is written to the task's folder before anybody is told; who asks after a crash of all of
 * us finds it there.
 *
 * A process can end before its number is known (the runtime has not written it yet) or
 * before its start was answered.  So ends of unknown processes are remembered while
 * a runtime command is under way, and an end is told only when the start was answered.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int shell_status(int raw)
{
    return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
}

static void process_ended(struct process *process, int status, int64_t time)
{
    process->has_ended = true;
    process->exit_status = (uint64_t)status;
    process->exited = time;
}

/* ---- reaping --------------------------------------------------------------- */

static void orphan_add(struct shim *shim, pid_t pid, int status)
{
    if (shim->orphan_count == ORPHANS_MAX) /* the oldest is the least likely to be asked for */
        memmove(shim->orphans, shim->orphans + 1, --shim->orphan_count * sizeof(*shim->orphans));
    shim->orphans[shim->orphan_count++] = (struct orphan){ pid, status, time_now() };
}

void orphans_claim(struct process *process)
{
    struct shim *shim = process->shim;

    for (size_t i = 0; i < shim->orphan_count; i++)
        if (shim->orphans[i].pid == process->pid)
            process_ended(process, shim->orphans[i].status, shim->orphans[i].time);
}

static struct command *command_of_pid(struct shim *shim, pid_t pid)
{
    for (struct command *command = shim->commands; command != NULL; command = command->next)
        if (command->pid == pid && !command->has_ended)
            return command;
    return NULL;
}

static void note_end(struct shim *shim, pid_t pid, int status)
{
    struct command *command = command_of_pid(shim, pid);
    struct process *process = command == NULL ? process_of_pid(shim, pid) : NULL;

    if (command != NULL) {
        command->has_ended = true;
        command->status = status;
    } else if (process != NULL) {
        process_ended(process, status, time_now());
    } else if (shim->commands != NULL) {
        orphan_add(shim, pid, status);
    }
}

static bool finish_one(struct shim *shim)
{
    for (struct command *command = shim->commands; command != NULL; command = command->next)
        if (command->has_ended) {
            command_finish(command);
            return true;
        }
    return false;
}

static void on_signal(void *owner, uint32_t events UNUSED)
{
    struct shim *shim = owner;
    struct signalfd_siginfo ignored;
    pid_t pid;
    int raw;

    if (read(shim->signals.fd, &ignored, sizeof(ignored)) < 0)
        return;
    while ((pid = waitpid(-1, &raw, WNOHANG)) > 0)
        note_end(shim, pid, shell_status(raw));
    while (finish_one(shim))
        ;
    if (shim->commands == NULL)
        shim->orphan_count = 0;
    for (struct process *process = shim->processes; process != NULL; process = process->next)
        process_conclude(process);
}

int exits_open(struct shim *shim, struct error *err)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    shim->signals = (struct source){ .on_ready = on_signal, .owner = shim };
    shim->signals.fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (shim->signals.fd < 0 || loop_watch(&shim->signals, EPOLLIN) < 0)
        return error_sys(err, errno, "signals");
    return 0;
}

/* ---- telling ---------------------------------------------------------------- */

struct shim_exit process_exit(const struct process *process)
{
    return (struct shim_exit){
        .exec = process->exec[0] != '\0' ? process->exec : NULL,
        .status = process->exit_status,
        .time = process->exited,
        .oom = process->is_oom,
        .has_oom = process->is_oom,
    };
}

/* A full disk must not keep the news from those who live. */
static void write_down(const struct shim_exit *exit)
{
    CLEANUP(buffer_free) struct buffer bytes = { 0 };
    char name[NAME_SIZE] = "exit";

    if (exit->exec != NULL)
        snprintf(name, sizeof(name), "exit.%s", exit->exec);
    record_pack(shim_exit_record(), exit, &bytes);
    if (file_replace(name, bytes.data, bytes.size) < 0)
        fprintf(stderr, "gantry-shim: write %s: %s\n", name, strerror(errno));
}

void process_conclude(struct process *process)
{
    struct shim_exit exit;
    const struct shim_tell tell = { .what = "exit", .exit = &exit };

    if (!process->has_ended || process->is_told || process->is_starting ||
        process->state == STATE_CREATING || process->state == STATE_STOPPED)
        return;
    process->is_oom = memory_oom_kills(&process->shim->memory) > process->oom_before;
    process->state = STATE_STOPPED;
    exit = process_exit(process);
    write_down(&exit);
    streams_read(process); /* into the log and to who is attached, as far as they take it */
    process->is_told = true;
    clients_news(process->shim, &tell);
    process_look_over(process);
    if (process->exec[0] == '\0')
        quit_go_on(process->shim);
}

void process_give_up(struct process *process, int signal)
{
    process_ended(process, 128 + signal, time_now());
    ends_close(&process->ends); /* so what reads of it comes to its end */
    process_conclude(process);
}

void process_look_over(struct process *process)
{
    if (process->is_over || !process->is_told || !process->out.is_drained ||
        !process->error.is_drained)
        return;
    process->is_over = true;
    clients_end(process);
}
