/* process — the container's own process and the additional ones, by name and by number. */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stream_init(struct stream *stream, struct process *process, const char *name)
{
    stream->source.fd = -1;
    stream->process = process;
    stream->name = name;
    stream->is_drained = true; /* there is nothing that could come */
}

struct process *process_add(struct shim *shim, const char *exec)
{
    struct process *process = calloc(1, sizeof(*process)), **at = &shim->processes;

    if (process == NULL)
        abort();
    while (*at != NULL)
        at = &(*at)->next;
    *at = process;
    process->shim = shim;
    memcpy(process->exec, exec, strlen(exec) + 1);
    process->state = STATE_CREATED;
    process->input.source.fd = -1;
    process->ends = (struct ends){ -1, -1, -1 };
    stream_init(&process->out, process, "stdout");
    stream_init(&process->error, process, "stderr");
    return process;
}

struct process *process_find(struct shim *shim, const char *exec)
{
    for (struct process *process = shim->processes; process != NULL; process = process->next)
        if (strcmp(process->exec, exec != NULL ? exec : "") == 0)
            return process;
    return NULL;
}

struct process *process_of_pid(struct shim *shim, pid_t pid)
{
    for (struct process *process = shim->processes; process != NULL; process = process->next)
        if (process->pid == pid && !process->has_ended)
            return process;
    return NULL;
}

int process_take(struct command *command, struct error *err)
{
    struct process *process = command->process;
    int master;

    if (command_pid_read(command, &process->pid, err) < 0)
        return -1;
    orphans_claim(process);
    if (!process->is_terminal)
        return 0;
    master = console_receive(command->console, err);
    if (master >= 0 && streams_take_terminal(process, master, err) == 0)
        return 0;
    kill(process->pid, SIGKILL);
    process->pid = 0;
    return -1;
}

int pid_write(const struct shim *shim, pid_t pid, struct error *err)
{
    char text[32];

    snprintf(text, sizeof(text), "%d\n", (int)pid);
    if (file_replace("pid", text, strlen(text)) < 0)
        return error_sys(err, errno, "write %s/pid", shim->folder);
    return 0;
}

void process_remove(struct process *process)
{
    struct process **at = &process->shim->processes;

    streams_close(process);
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    free(process);
}

size_t processes_count(const struct shim *shim)
{
    size_t count = 0;

    for (struct process *process = shim->processes; process != NULL; process = process->next)
        count++;
    return count;
}

const char *process_status(const struct process *process)
{
    return process->state == STATE_RUNNING   ? "running"
           : process->state == STATE_STOPPED ? "stopped"
                                             : "created";
}

/* It becomes part of file names. */
bool exec_is_valid(const char *exec)
{
    size_t length = strlen(exec);

    return length > 0 && length < EXEC_SIZE && exec[0] != '.' &&
           strspn(exec, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}
