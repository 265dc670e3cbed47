/* Our own process and the programs it starts. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/yielding.h"
#include "platform/platform.h"
#include "platform/scope.h"

extern char **environ;

static struct rlimit limit_before; /* of descriptors, for children */

void process_yield(void)
{
    yield_to_others();
}

int process_id(void)
{
    return (int)getpid();
}

unsigned process_user(void)
{
    return geteuid();
}

const char *process_name(void)
{
    return program_invocation_short_name;
}

bool program_is(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

int program_find(const char *name, char path[PATH_SIZE], struct error *err)
{
    char self[PATH_SIZE] = { 0 };
    char *slash;

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return error_sys(err, errno, "find the running program");
    slash = strrchr(self, '/');
    *slash = '\0';
    if (path_format(path, err, "%s/%s", self, name) < 0)
        return -1;
    if (program_is(path))
        return 0;
    if (path_format(path, err, "%s/../libexec/gantry/%s", self, name) < 0)
        return -1;
    if (program_is(path))
        return 0;
    return program_look_up(name, path, err);
}

int program_look_up(const char *name, char path[PATH_SIZE], struct error *err)
{
    const char *search = getenv("PATH");
    char folders[PATH_SIZE], *save = NULL;

    if (strchr(name, '/') != NULL) {
        if (!program_is(name))
            return error_set(err, ERROR_NOT_FOUND, "program %s is not there or not executable",
                             name);
        return path_format(path, err, "%s", name);
    }
    if (path_format(folders, err, "%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    search ? search : "") < 0)
        return -1;
    for (char *at = strtok_r(folders, ":", &save); at != NULL; at = strtok_r(NULL, ":", &save)) {
        if (path_format(path, err, "%s/%s", at, name) < 0)
            return -1;
        if (program_is(path))
            return 0;
    }
    return error_set(err, ERROR_NOT_FOUND, "program %s is not installed (not found in PATH)", name);
}

void process_limits_raise(void)
{
    struct rlimit wanted;

    if (limit_before.rlim_cur != 0 || getrlimit(RLIMIT_NOFILE, &limit_before) < 0)
        return;
    wanted = limit_before;
    wanted.rlim_cur = wanted.rlim_max;
    setrlimit(RLIMIT_NOFILE, &wanted); /* what is not allowed stays as it was */
}

void process_memory_setup(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* fixed: large blocks go back when they are freed */
}

void process_memory_give_back(void)
{
    malloc_trim(0);
}

void memory_wipe(void *data, size_t size)
{
    explicit_bzero(data, size);
}

void process_end(int status)
{
    _exit(status);
}

size_t machine_limits(struct machine_limit limits[MACHINE_LIMITS_MAX])
{
    static const struct {
        const char *type;
        __rlimit_resource_t resource;
    } all[] = {
        { "RLIMIT_AS", RLIMIT_AS },           { "RLIMIT_CORE", RLIMIT_CORE },
        { "RLIMIT_CPU", RLIMIT_CPU },         { "RLIMIT_DATA", RLIMIT_DATA },
        { "RLIMIT_FSIZE", RLIMIT_FSIZE },     { "RLIMIT_LOCKS", RLIMIT_LOCKS },
        { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
        { "RLIMIT_NICE", RLIMIT_NICE },       { "RLIMIT_NOFILE", RLIMIT_NOFILE },
        { "RLIMIT_NPROC", RLIMIT_NPROC },     { "RLIMIT_RSS", RLIMIT_RSS },
        { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },   { "RLIMIT_RTTIME", RLIMIT_RTTIME },
        { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK },
    };
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct rlimit limit;

        if (getrlimit(all[i].resource, &limit) < 0)
            continue;
        if (all[i].resource == RLIMIT_NOFILE && limit_before.rlim_cur != 0)
            limit = limit_before;
        limits[count++] = (struct machine_limit){ all[i].type, limit.rlim_cur, limit.rlim_max };
    }
    return count;
}

int process_become(const char *path, char *const *argv, struct error *err)
{
    if (hook_platform_call("exec", err))
        return -1;
    execv(path, argv);
    return error_sys(err, errno, "start %s", path);
}

/* posix_spawn cannot set limits: between our soft limit and the old one the child is
   started, then prlimit gives it the old one back before it can have opened much. */
static void limits_restore(pid_t pid)
{
    if (limit_before.rlim_cur != 0)
        prlimit(pid, RLIMIT_NOFILE, &limit_before, NULL);
}

struct pipes {
    int in[2];
    int out[2];
};

static void pipes_close(struct pipes *pipes)
{
    file_close(&pipes->in[0]);
    file_close(&pipes->in[1]);
    file_close(&pipes->out[0]);
    file_close(&pipes->out[1]);
}

static void redirect(posix_spawn_file_actions_t *actions, int from, int to, int flags)
{
    if (from >= 0)
        posix_spawn_file_actions_adddup2(actions, from, to);
    else
        posix_spawn_file_actions_addopen(actions, to, "/dev/null", flags, 0);
}

static int spawn(const struct child_options *options, const struct pipes *pipes, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    redirect(&actions, options->channel > 0 ? options->channel : pipes->in[0], 0, O_RDONLY);
    redirect(&actions, pipes->out[1], 1, O_WRONLY);
    if (options->errors != 2)
        redirect(&actions, options->errors, 2, O_WRONLY);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    if (options->detached)
        flags |= POSIX_SPAWN_SETSID;
    if (options->leads)
        flags |= POSIX_SPAWN_SETPGROUP; /* 0, which is its own */
    posix_spawnattr_setflags(&attributes, flags);
    status = posix_spawn(pid, options->path != NULL ? options->path : options->argv[0], &actions,
                         &attributes, (char *const *)(uintptr_t)options->argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

int child_start(const struct child_options *options, struct child *child, struct error *err)
{
    CLEANUP(pipes_close) struct pipes pipes = { { -1, -1 }, { -1, -1 } };
    pid_t pid;
    int status;

    *child = (struct child){ .input = -1, .output = -1 };
    if (hook_platform_call("spawn", err))
        return -1;
    if ((options->input && pipe2(pipes.in, O_CLOEXEC) < 0) ||
        (options->output && pipe2(pipes.out, O_CLOEXEC) < 0))
        return error_sys(err, errno, "pipe");
    status = spawn(options, &pipes, &pid);
    if (status != 0)
        return error_sys(err, status, "start %s", options->argv[0]);
    limits_restore(pid);
    child->pid = pid;
    child->leads = options->leads;
    child->input = pipes.in[1];
    child->output = pipes.out[0];
    pipes.in[1] = pipes.out[0] = -1;
    return 0;
}

int child_wait(struct child *child, int *status, struct error *err)
{
    int raw;
    pid_t got;

    hook_platform_point("waitpid");
    while ((got = waitpid(child->pid, &raw, 0)) < 0 && errno == EINTR)
        ;
    if (got < 0)
        return error_sys(err, errno, "wait for process %d", child->pid);
    child->pid = 0;
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return 0;
}

static int shell_status(const siginfo_t *info)
{
    return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

bool child_ended(const struct child *child, int wait_ms, int *status)
{
    CLEANUP(file_close) int process = (int)syscall(SYS_pidfd_open, child->pid, 0);
    struct pollfd end = { .fd = process, .events = POLLIN };
    siginfo_t info = { 0 };

    if (process >= 0)
        poll(&end, 1, wait_ms);
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return false;
    *status = shell_status(&info);
    return true;
}

const char *child_fate(int status, char text[80])
{
    if (status > 128)
        snprintf(text, 80, "was killed by signal %d (%s)", status - 128, strsignal(status - 128));
    else
        snprintf(text, 80, "ended with status %d", status);
    return text;
}

/* EPIPE, and no signal for the process, which may have a use of its own for that one. */
int64_t child_say(const struct child *child, const void *bytes, size_t size)
{
    const struct timespec at_once = { 0 };
    sigset_t pipe_signal, before;
    ssize_t wrote;
    int os;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    wrote = write(child->input, bytes, size);
    os = errno;
    if (wrote < 0 && os == EPIPE && !sigismember(&before, SIGPIPE))
        while (sigtimedwait(&pipe_signal, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = os;
    return wrote;
}

void child_kill(struct child *child)
{
    if (child->pid > 0)
        kill(child->leads ? -child->pid : child->pid, SIGKILL);
}

void child_drop(struct child *child)
{
    struct error ignored;
    int status;

    file_close(&child->input);
    file_close(&child->output);
    if (child->pid > 0) {
        child_kill(child);
        child_wait(child, &status, &ignored);
    }
}

void service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    CLEANUP(file_close) int socket_fd = -1;
    size_t length;

    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
        return;
    length = strlen(path);
    memcpy(to.sun_path, path, length);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd >= 0)
        sendto(socket_fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}
