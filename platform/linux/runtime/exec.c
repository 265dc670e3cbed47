/*
 * The command exec: one more process in a running container.
 *
 * What it is comes from a process.json, or from the container's own process with what the
 * flags change.  It is made in the container's namespaces, waits until it is in the control
 * groups, and becomes the program; nothing of it is kept anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/console.h"
#include "platform/linux/runtime/container.h"
#include "platform/linux/runtime/exec_process.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/self.h"
#include "platform/linux/runtime/standing.h"
#include "platform/linux/runtime/talk.h"
#include "platform/linux/runtime/terminal.h"
#include "platform/platform.h"
#include "platform/scope.h"

struct exec {
    const struct options *options;
    struct state state;
    json_t *config; /* the container's, with `process` exchanged */
    struct place document, linux_, process_place;
    struct process_spec *process;
    struct filter *filter;
    struct cgroup *cgroup;
    struct rdt *rdt; /* NULL: the container is in no class */
    struct namespaces namespaces;
    unsigned listen_fds, keep_fds;
    bool is_led; /* into its groups by us, since there is more to do on the way */
    int talk, their_talk, console_socket, master;
    pid_t pid;
};

static void exec_close(struct exec *exec)
{
    rdt_free(&exec->rdt);
    cgroup_free(&exec->cgroup);
    filter_free(&exec->filter);
    process_free(&exec->process);
    namespaces_close(&exec->namespaces);
    state_close(&exec->state);
    json_decref(exec->config);
    file_close(&exec->talk);
    file_close(&exec->their_talk);
    file_close(&exec->console_socket);
    file_close(&exec->master);
}

/* ---- in the new process ------------------------------------------------------------ */

static int become_root(const struct exec *exec, struct error *err)
{
    if ((exec->namespaces.joined & CLONE_NEWUSER) == 0)
        return 0;
    setgroups(0, NULL);
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return error_sys(err, errno, "become root of the user namespace");
    return 0;
}

static int take_terminal(struct exec *exec, struct error *err)
{
    int slave, master;

    if (!exec->process->terminal)
        return 0;
    master = rootfs_terminal(&slave, err);
    if (master < 0 || talk_say(exec->their_talk, TALK_CONSOLE, master, err) < 0)
        return -1;
    close(master);
    return console_take(slave, exec->process->rows, exec->process->columns, err);
}

static int become(struct exec *exec, struct error *err)
{
    struct process_settings settings = {
        .filter = exec->filter,
        .listen_fds = exec->listen_fds,
        .keep_fds = exec->keep_fds,
    };

    self_let_go();
    file_close(&exec->talk);
    file_close(&exec->state.folder);
    file_close(&exec->console_socket);
    standing_begin();
    if ((!exec->is_led && cgroup_join(exec->cgroup, err) < 0) ||
        namespaces_enter(&exec->namespaces, err) < 0 ||
        talk_expect(exec->their_talk, TALK_GO, err) < 0 || become_root(exec, err) < 0 ||
        take_terminal(exec, err) < 0)
        return -1;
    standing_own(exec->process->uid);
    if (process_settle(exec->process, &settings, err) < 0)
        return -1;
    return process_exec(exec->process, exec->filter, err);
}

static void be_process(struct exec *exec) __attribute__((noreturn));
static void be_process(struct exec *exec)
{
    struct error err = { 0 };

    become(exec, &err);
    talk_error(exec->their_talk, &err);
    _exit(1);
}

/* ---- reading --------------------------------------------------------------------------- */

static int status_check(const struct exec *exec, struct error *err)
{
    switch (state_status(&exec->state)) {
    case STATUS_STOPPED:
        return error_set(err, ERROR_FAILED_PRECONDITION, "cannot exec in a stopped container");
    case STATUS_CREATING:
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "cannot exec in a container that is not made yet");
    case STATUS_PAUSED:
        if (!exec->options->ignore_paused)
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "cannot exec in a paused container (use --ignore-paused to override)");
        break;
    default:
        break;
    }
    return 0;
}

static int process_take(struct exec *exec, struct error *err)
{
    const struct options *options = exec->options;
    struct place document;
    int result;

    exec->config = state_config(&exec->state, err);
    if (exec->config == NULL || exec_process_put(exec->config, options, err) < 0)
        return -1;
    document = place_document(exec->config);
    exec->document = document;
    exec->linux_ = place_member(&exec->document, "linux");
    exec->process_place = place_member(&exec->document, "process");
    exec->process = process_read(&exec->process_place, &exec->linux_, err);
    if (exec->process == NULL)
        return -1;
    for (size_t i = 0; i < exec->process->warnings.count; i++)
        report_warning("%s", exec->process->warnings.items[i]);
    if (exec->process->terminal && options->detach && options->console_socket == NULL)
        result =
            error_set(err, ERROR_INVALID_ARGUMENT,
                      "cannot allocate tty if runc will detach without setting console socket");
    else
        result = filter_read(&exec->linux_, options->seccomp_program, &exec->filter, err);
    return result;
}

static int exec_read(struct exec *exec, struct error *err)
{
    const struct options *options = exec->options;

    if (descriptors_count(options, &exec->listen_fds, &exec->keep_fds, err) < 0)
        return -1;
    if (options->console_socket != NULL &&
        (exec->console_socket = console_connect(options->console_socket, err)) < 0)
        return -1;
    if (state_open(&exec->state, options->root, options->argv[0], err) < 0 ||
        status_check(exec, err) < 0 || process_take(exec, err) < 0)
        return -1;
    exec->namespaces.joined = state_number(&exec->state, "namespaces");
    exec->namespaces.process = state_pidfd(&exec->state, err);
    if (exec->namespaces.process < 0 && err->code == ERROR_FAILED_PRECONDITION)
        return error_set(err, ERROR_FAILED_PRECONDITION, "cannot exec in a stopped container");
    if (exec->namespaces.process < 0)
        return -1;
    exec->cgroup = cgroup_load(json_object_get(exec->state.document, "cgroup"), err);
    if (rdt_load(json_object_get(exec->state.document, "rdt"), &exec->rdt, err) < 0)
        return -1;
    exec->is_led = exec->process->initial != NULL || exec->process->final != NULL ||
                   options->cgroups.count > 0;
    return exec->cgroup != NULL ? cgroup_open(exec->cgroup, exec->state.pid, err) : -1;
}

/* ---- making it -------------------------------------------------------------------------- */

static int group_enter(struct exec *exec, struct error *err)
{
    const struct options *options = exec->options;

    if (!exec->is_led)
        return 0;
    if (process_affinity_initial(exec->process, exec->pid, err) < 0 ||
        cgroup_enter(exec->cgroup, exec->pid, err) < 0)
        return -1;
    for (size_t i = 0; i < options->cgroups.count; i++)
        if (exec_group_enter(exec->cgroup, options->cgroups.items[i], exec->pid, err) < 0)
            return -1;
    return process_affinity_final(exec->process, exec->pid, err);
}

/* Whoever removes a class puts who is in it into the default one: then we are there, too. */
static int class_enter(const struct exec *exec, struct error *err)
{
    if (exec->rdt == NULL || rdt_enter(exec->rdt, exec->pid, err) == 0)
        return 0;
    return err->os == ENOENT ? 0 : -1;
}

static int console_got(struct exec *exec, int master, struct error *err)
{
    int to = exec->console_socket;

    if (to < 0) {
        exec->master = master;
        return 0;
    }
    exec->console_socket = -1;
    return console_send(to, master, err);
}

/* Until it is the program: then its end of the talk is closed. */
static int serve(struct exec *exec, struct error *err)
{
    enum talk_word word = TALK_READY;
    int passed = -1;

    while (word != TALK_CLOSED) {
        if (talk_hear(exec->talk, &word, &passed, err) < 0)
            return -1;
        if (word != TALK_CONSOLE)
            continue;
        if (console_got(exec, passed, err) < 0)
            return -1;
    }
    return 0;
}

static int listener_serve(struct exec *exec, struct error *err)
{
    json_t *state;
    int result;

    if (exec->filter == NULL || !filter_has_listener(exec->filter))
        return 0;
    state = state_describe(&exec->state, STATUS_RUNNING, exec->state.pid);
    result = filter_serve(exec->filter, exec->pid, state, err);
    json_decref(state);
    if (result < 0 && err->code == ERROR_FAILED_PRECONDITION)
        serve(exec, err);
    return result;
}

static int exec_make(struct exec *exec, struct error *err)
{
    int ends[2], result;

    if (talk_pair(ends, err) < 0)
        return -1;
    exec->talk = ends[0];
    exec->their_talk = ends[1];
    result = namespaces_clone(&exec->namespaces, exec->is_led ? -1 : cgroup_folder(exec->cgroup),
                              &exec->pid, err);
    if (result == 0)
        be_process(exec);
    file_close(&exec->their_talk);
    if (result < 0)
        return exec->pid = 0, -1;
    if (group_enter(exec, err) < 0 || class_enter(exec, err) < 0 ||
        process_limit(exec->process, exec->pid, err) < 0 ||
        (exec->filter != NULL && filter_compile(exec->filter, err) < 0) ||
        talk_say(exec->talk, TALK_GO, -1, err) < 0)
        return -1;
    self_let_go();
    if (listener_serve(exec, err) < 0)
        return -1;
    return serve(exec, err);
}

static void exec_undo(struct exec *exec, struct error *err)
{
    enum talk_word word;
    struct error said;

    if (exec->pid <= 0)
        return;
    kill(exec->pid, SIGKILL);
    waitpid(exec->pid, NULL, 0);
    if (talk_hear(exec->talk, &word, NULL, &said) < 0)
        *err = said; /* it failed before we did */
}

int command_exec(const struct options *options, struct error *err)
{
    CLEANUP(exec_close)
    struct exec exec = { .options = options,
                         .state = STATE_NONE,
                         .namespaces = NAMESPACES_NONE,
                         .talk = -1,
                         .their_talk = -1,
                         .console_socket = -1,
                         .master = -1 };
    int master;

    if (!options->detach && foreground_prepare(err) < 0)
        return -1;
    if (exec_read(&exec, err) < 0)
        return error_wrap(err, "exec failed");
    if (exec_make(&exec, err) < 0 || pid_file_write(options, exec.pid, err) < 0) {
        exec_undo(&exec, err);
        return error_wrap(err, "exec failed: unable to start container process");
    }
    if (options->detach)
        return 0;
    master = exec.master;
    exec.master = -1;
    return foreground_attend(exec.pid, master, err);
}
