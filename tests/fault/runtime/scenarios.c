/* See scenarios.h. */
#include "scenarios.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_MS 5000

static pid_t box; /* the first process of the container that was prepared */

static void must(const char *what, int status)
{
    char said[1024];
    if (status == 0)
        return;
    printf("FAIL: %s, without any fault: status %d, %s\n", what, status,
           file_text(below("said"), said, sizeof said));
    world_remove();
    exit(1);
}

static bool is_told(const char *part)
{
    char said[4096];
    return strstr(file_text(below("said"), said, sizeof said), part) != NULL;
}

static bool status_is(const char *status)
{
    char part[64];
    snprintf(part, sizeof part, "\"status\": \"%s\"", status);
    return RUN("state", "box") == 0 && is_told(part);
}

/* Our child, since nobody else is there any more who could be its parent. */
static bool box_ends(void)
{
    struct pollfd end = { .events = POLLIN };
    end.fd = (int)syscall(SYS_pidfd_open, box, 0);
    bool ended = end.fd < 0 || poll(&end, 1, END_MS) > 0;
    if (end.fd >= 0)
        close(end.fd);
    if (ended)
        waitpid(box, NULL, 0);
    return ended;
}

static const char *nothing_left(const char *wrong, char *what, size_t size)
{
    const char *left = left_behind(what, size);
    return wrong != NULL ? wrong : left;
}

/* ---- making ------------------------------------------------------------------------------ */

static const char *const run_words[] = { "run", "--bundle", "@", "box", NULL };

static const char *const create_words[] = { "create", "--bundle", "@", "--pid-file",
                                            "@pid",   "box",      NULL };

static void prepare_nothing(enum kind kind)
{
    config_write(kind, false);
}

/* What a caller does about a runtime that was killed. */
static void delete_by_force(struct run *run)
{
    static const char *const words[] = { "delete", "--force", "box", NULL };
    run->helper = runtime_spawn(words);
}

static void run_ended(struct run *run)
{
    if (run->error == 0)
        delete_by_force(run);
}

/* Its first process may have been hit after that: then it is for `start` to find out. */
static void create_ended(struct run *run)
{
    if (run->status == 0 && run->process == 0 && !status_is("created"))
        run->wrong = "its status is 0, and the container is not there";
    if (run->error == 0 || run->status == 0)
        delete_by_force(run);
}

static const char *run_judge(struct run *run, char *what, size_t size)
{
    bool ran = has_run();
    const char *wrong =
        run->status == 0 && !ran ? "the container has not run, and the status is 0" : NULL;
    return nothing_left(wrong, what, size);
}

static const char *create_judge(struct run *run, char *what, size_t size)
{
    return nothing_left(run->wrong, what, size);
}

/* ---- start ------------------------------------------------------------------------------- */

static const char *const start_words[] = { "start", "box", NULL };

static void prepare_created(enum kind kind)
{
    config_write(kind, false);
    must("create", RUN("create", "--bundle", "@", "box"));
    box = box_pid();
}

/* A start that dies half way takes the container along, a moment later. */
static const char *start_judge(struct run *run, char *what, size_t size)
{
    const char *wrong = NULL;
    bool started = run->status == 0 || (status_is("created") && RUN("start", "box") == 0);
    if (!box_ends())
        wrong = started ? "the container does not end" : "it waits, and cannot be started";
    if (!has_run() && started && wrong == NULL)
        wrong = "it was started, and has not run";
    if (RUN("delete", "box") != 0 && wrong == NULL)
        wrong = "it cannot be deleted";
    return nothing_left(wrong, what, size);
}

/* ---- delete ------------------------------------------------------------------------------ */

static const char *const delete_words[] = { "delete", "box", NULL };

static const char *const delete_force_words[] = { "delete", "--force", "box", NULL };

static void prepare_stopped(enum kind kind)
{
    prepare_created(kind);
    must("start", RUN("start", "box"));
    if (!box_ends())
        die("the container does not end");
    has_run();
}

static void prepare_running(enum kind kind)
{
    config_write(kind, true);
    must("run", RUN("run", "--detach", "--bundle", "@", "box"));
    box = box_pid();
}

/* A second one finds nothing, or does the rest. */
static const char *delete_judge(struct run *run, char *what, size_t size)
{
    const char *wrong = run->status == 0 ? left_behind(what, size) : NULL;
    if (wrong != NULL)
        return wrong;
    int status = RUN("delete", "box");
    if (status != 0 && !is_told("does not exist"))
        wrong = "a second one fails";
    if (status == 0 && run->status == 0)
        wrong = "a second one finds something";
    if (!box_ends())
        wrong = "its first process is left";
    return nothing_left(wrong, what, size);
}

static const char *delete_force_judge(struct run *run, char *what, size_t size)
{
    const char *wrong = run->status == 0 ? left_behind(what, size) : NULL;
    if (wrong != NULL)
        return wrong;
    if (RUN("delete", "--force", "box") != 0)
        wrong = "a second one fails";
    if (!box_ends())
        wrong = "its first process is left";
    return nothing_left(wrong, what, size);
}

/* ---- kill -------------------------------------------------------------------------------- */

static const char *const kill_words[] = { "kill", "box", "KILL", NULL };

/* Where the first one got through after all, the second finds nobody. */
static const char *kill_judge(struct run *run, char *what, size_t size)
{
    const char *wrong = NULL;
    if (run->status != 0)
        RUN("kill", "box", "KILL");
    if (!box_ends()) {
        wrong = run->status == 0 ? "it does not end" : "it does not end of a second one";
        kill(box, SIGKILL);
        box_ends();
    }
    if (RUN("delete", "box") != 0)
        wrong = "it cannot be deleted";
    return nothing_left(wrong, what, size);
}

/* ---- what happens beside a container that runs ---------------------------------------------- */

static char lasting[1 << 14]; /* how it was before */

static const char *const exec_words[] = { "exec", "box", "/bin/busybox", "true", NULL };

/* clang-format off */
static const char *const exec_detached_words[] = {
    "exec", "--detach", "--pid-file", "@pid", "--process", "@process.json", "box", NULL
};
static const char *const exec_terminal_words[] = {
    "exec", "--tty", "--cwd", "/data", "--env", "A=1", "box", "/bin/busybox", "true", NULL
};
/* clang-format on */

/* Made once, and again when it was harmed. */
static void prepare_lasting(enum kind kind)
{
    if (box_pid() > 0)
        return;
    prepare_running(kind);
    box_describe(lasting, sizeof lasting);
}

static const char *unharmed(char *what, size_t size)
{
    char now[sizeof lasting];
    if (!status_is("running"))
        return "the container does not run any more";
    box_describe(now, sizeof now);
    if (strcmp(now, lasting) == 0)
        return NULL;
    snprintf(what, size, "was %s; is %s", lasting, now);
    return "the container has changed";
}

/* The end of a process is told before it has left its groups, of which version 1 does not tell. */
static pid_t stranger_stays(void)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    pid_t stranger;
    for (int tries = 0; (stranger = box_stranger()) != 0 && tries < 1000; tries++)
        nanosleep(&pause, NULL);
    return stranger;
}

static const char *lasting_judge(const char *wrong, char *what, size_t size)
{
    const char *harm = unharmed(what, size);
    pid_t stranger = harm == NULL ? stranger_stays() : 0;
    if (stranger != 0) {
        snprintf(what, size, "process %d", stranger);
        harm = "a process is left in its control groups";
    }
    if (harm == NULL && RUN("exec", "box", "/bin/busybox", "true") != 0) {
        file_text(below("said"), what, size);
        harm = "a further exec fails";
    }
    if (harm != NULL) {
        RUN("delete", "--force", "box");
        box_ends();
        return harm;
    }
    return wrong;
}

static const char *exec_judge(struct run *run, char *what, size_t size)
{
    bool lies = run->status == 0 && !run->reached;
    return lasting_judge(lies ? "the program has not run, and the status is 0" : NULL, what, size);
}

/* Of one that runs: it is refused, whatever else happens. */
static const char *delete_running_judge(struct run *run, char *what, size_t size)
{
    return lasting_judge(run->status == 0 ? "it is not refused" : NULL, what, size);
}

const struct scenario scenarios[] = {
    { "run", run_words, prepare_nothing, run_ended, run_judge, false },
    { "create", create_words, prepare_nothing, create_ended, create_judge, true },
    { "start", start_words, prepare_created, NULL, start_judge, false },
    { "delete", delete_words, prepare_stopped, NULL, delete_judge, false },
    { "delete-created", delete_words, prepare_created, NULL, delete_judge, false },
    { "delete-running", delete_words, prepare_lasting, NULL, delete_running_judge, false },
    { "delete-force", delete_force_words, prepare_running, NULL, delete_force_judge, false },
    { "kill", kill_words, prepare_running, NULL, kill_judge, false },
    { "exec", exec_words, prepare_lasting, NULL, exec_judge, false },
    { "exec-detached", exec_detached_words, prepare_lasting, NULL, exec_judge, false },
    { "exec-terminal", exec_terminal_words, prepare_lasting, NULL, exec_judge, true },
    { 0 },
};
