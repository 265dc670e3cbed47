/* See tracer.h. */
#include "tracer.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "world.h"

#define RUN_SECONDS 8
#define END_SECONDS 3

static volatile sig_atomic_t too_late;

static void on_alarm(int signal)
{
    (void)signal;
    too_late = 1;
}

void tracer_begin(void)
{
    struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART: it ends a wait */
    sigaction(SIGALRM, &action, NULL);
}

static struct traced *traced_find(struct run *run, pid_t pid)
{
    for (int i = 0; i < run->count; i++)
        if (run->traced[i].pid == pid)
            return &run->traced[i];
    return NULL;
}

static struct traced *traced_add(struct run *run, pid_t pid)
{
    if (run->count == PROCESSES)
        die("more processes than expected");
    run->traced[run->count] = (struct traced){ .pid = pid };
    return &run->traced[run->count++];
}

/* Who is reaped by another than us is known to be gone by this alone. */
static bool all_gone(const struct run *run)
{
    if (run->first != 0 || run->helper != 0)
        return false;
    for (int i = 0; i < run->count; i++)
        if (kill(run->traced[i].pid, 0) == 0)
            return false;
    return true;
}

static void kill_all(const struct run *run)
{
    for (int i = 0; i < run->count; i++)
        kill(run->traced[i].pid, SIGKILL);
}

/* ---- stops ------------------------------------------------------------------------------- */

/*
 * The program that a process has begun: the hook's and the container's are not the runtime's
 * business any more.  The runtime itself may run once more, from wherever it is safe.
 */
static void on_exec(struct run *run, struct traced *traced)
{
    char path[64], name[64];
    snprintf(path, sizeof path, "/proc/%d/comm", traced->pid);
    file_text(path, name, sizeof name);
    run->reached |= strcmp(name, "busybox\n") == 0;
    traced->free = strcmp(name, "busybox\n") == 0 || strcmp(name, "true\n") == 0;
}

static void on_entry(struct run *run, struct traced *traced, long number)
{
    struct user_regs_struct regs;
    if (!call_may_fail(number))
        return;
    traced->calls++;
    if (traced - run->traced != run->process || traced->calls != run->call)
        return;
    run->failed = number;
    if (run->error == 0) {
        kill(traced->pid, SIGKILL);
        return;
    }
    run->failing = traced->pid;
    ptrace(PTRACE_GETREGS, traced->pid, NULL, &regs);
    regs.orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, traced->pid, NULL, &regs);
}

static void on_return(struct run *run, struct traced *traced)
{
    struct user_regs_struct regs;
    if (run->failing != traced->pid)
        return;
    ptrace(PTRACE_GETREGS, traced->pid, NULL, &regs);
    regs.rax = (unsigned long long)-(long long)run->error;
    ptrace(PTRACE_SETREGS, traced->pid, NULL, &regs);
    run->failing = 0;
}

static void on_call(struct run *run, struct traced *traced)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, traced->pid, (void *)sizeof info, &info) <= 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        on_entry(run, traced, (long)info.entry.nr);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        on_return(run, traced);
}

/* Its parent may die before it is heard of otherwise. */
static void on_birth(struct run *run, const struct traced *parent)
{
    unsigned long pid = 0;
    if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) == 0 &&
        traced_find(run, (pid_t)pid) == NULL)
        traced_add(run, (pid_t)pid);
}

/* A stop of one of them: looks what it is about, and lets it go on. */
static void on_stop(struct run *run, struct traced *traced, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
        on_call(run, traced);
        signal = 0;
    } else if (event == PTRACE_EVENT_EXEC) {
        on_exec(run, traced);
        signal = 0;
    } else if (event != 0) {
        on_birth(run, traced);
        signal = 0;
    } else if (signal == SIGSTOP || signal == SIGTRAP) {
        signal = 0; /* the first stop of a new one */
    }
    if (traced->free && signal == 0)
        ptrace(PTRACE_DETACH, traced->pid, NULL, NULL);
    else
        ptrace(PTRACE_SYSCALL, traced->pid, NULL, signal);
}

/* ---- a run ------------------------------------------------------------------------------- */

static void on_end(struct run *run, pid_t pid, int status)
{
    if (pid == run->helper)
        run->helper = 0;
    if (pid != run->first)
        return;
    run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    run->first = 0;
    if (run->ended != NULL)
        run->ended(run);
}

/* Until every process has ended, ours by birth and those that came to us as orphans. */
static const char *watch(struct run *run)
{
    const char *wrong = NULL;
    too_late = 0;
    alarm(RUN_SECONDS);
    while (!all_gone(run)) {
        int status;
        pid_t first = run->first, pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR && too_late) {
            wrong = run->first != 0 ? "it does not end" : "a process is left";
            kill_all(run);
            too_late = 0;
            alarm(2);
            continue;
        }
        if (pid < 0 && errno != EINTR)
            break; /* none is left, or somebody else's child is: that one cannot be waited for */
        struct traced *traced = traced_find(run, pid);
        if (pid > 0 && WIFSTOPPED(status))
            on_stop(run, traced != NULL ? traced : traced_add(run, pid), status);
        else if (pid > 0)
            on_end(run, pid, status);
        if (first != 0 && run->first == 0 && wrong == NULL)
            alarm(END_SECONDS);
    }
    alarm(0);
    return wrong;
}

static pid_t start(const char *const *words)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    runtime_exec(words, "output");
}

const char *run_once(struct run *run)
{
    run->failed = -1;
    run->count = 0;
    run->reached = false;
    run->helper = run->failing = 0;
    run->wrong = NULL;
    run->first = start(run->words);
    int status;
    if (run->first < 0 || waitpid(run->first, &status, 0) != run->first || !WIFSTOPPED(status))
        die("start");
    traced_add(run, run->first);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, run->first, NULL, options) < 0)
        die("PTRACE_SETOPTIONS");
    /* the execve into the runtime is ours, not the runtime's */
    ptrace(PTRACE_CONT, run->first, NULL, NULL);
    if (waitpid(run->first, &status, 0) != run->first || status >> 16 != PTRACE_EVENT_EXEC)
        die("execve of the runtime");
    ptrace(PTRACE_SYSCALL, run->first, NULL, NULL);
    return watch(run);
}
