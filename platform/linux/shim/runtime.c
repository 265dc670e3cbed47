/*
 * runtime — commands of the OCI runtime: create, start, run, exec, kill, ps, delete.
 *
 * The native engine has the same command line, as a function: its commands are children that
 * call it instead of becoming another program.  Everything else is the same for all runtimes.
 *
 * A command is a child like any other: it is started, the loop goes on, and when it
 * was reaped its `done` is called.  Several may run at once.  The runtime writes what
 * went wrong to a log file of the command's own, as JSON; its words become the error's
 * text, and the ones that say "this program is not in the image" become a code.
 *
 * A child starts with everything at its default, because the container inherits it:
 * signals, mask, umask, no descriptor beyond 2, and an environment that holds nothing
 * of the daemon's (with NOTIFY_SOCKET set, runc would wait for the container's READY).
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/oci.h"
#include "platform/linux/runtime/self.h"
#include "platform/runtime.h"

/* ---- starting -------------------------------------------------------------- */

size_t runtime_args(const struct shim_task *task, const char *log, const char **argv)
{
    size_t count = 0;

    argv[count++] = task->runtime;
    argv[count++] = "--root";
    argv[count++] = task->runtime_root;
    if (log != NULL) {
        argv[count++] = "--log";
        argv[count++] = log;
        argv[count++] = "--log-format";
        argv[count++] = "json";
    }
    if (task->systemd_cgroup)
        argv[count++] = "--systemd-cgroup";
    return count;
}

static void redirect(posix_spawn_file_actions_t *actions, int from, int to)
{
    if (from >= 0)
        posix_spawn_file_actions_adddup2(actions, from, to);
    else
        posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDWR, 0);
}

bool runtime_is_crun(const char *path)
{
    const char *name = strrchr(path, '/');

    return strncmp(name != NULL ? name + 1 : path, "crun", 4) == 0;
}

/* What a runtime in Go takes as advice: it lives for 20 ms, and threads and garbage collection
   cost it 2 or 3 of them.  It clears its environment before the container's own process begins.
   Hooks may inherit it, so the collection is late rather than off. */
static char *const *environment(void)
{
    static char path[PATH_MAX], processors[] = "GOMAXPROCS=1", garbage[] = "GOGC=400";
    static char *list[] = { path, processors, garbage, NULL };
    const char *found = getenv("PATH");

    if (path[0] == '\0')
        snprintf(path, sizeof(path), "PATH=%s",
                 found ? found : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    return list;
}

static int program_spawn(const char *const *argv, const struct ends *ends, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    redirect(&actions, ends->in, 0);
    redirect(&actions, ends->out, 1);
    redirect(&actions, ends->err, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    sigemptyset(&none);
    /* sigfillset() leaves out the two signals that libc keeps to itself, and posix_spawn()
       would then have the container ignore them */
    memset(&all, 0xff, sizeof(all));
    if (runtime_is_crun(argv[0]))
        sigdelset(&all, SIGPIPE); /* it dies of a hook that does not read what it is given */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    status = posix_spawn(pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                         environment());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static void redirect_own(int from, int to)
{
    if (from < 0)
        from = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(from, to); /* clears close-on-exec of `to` */
}

/* A process that was only forked has no thread of the sanitizer's, which its work would wait for. */
static int begin_anew(const char *const *words UNUSED, struct error *err UNUSED)
{
#ifdef __SANITIZE_THREAD__
    execv("/proc/self/exe", (char **)(uintptr_t)words);
    return error_sys(err, errno, "start our own program again");
#else
    return 0;
#endif
}

/*
 * In the child: what posix_spawn() does for a program.  It ends with the shim, as a command that
 * was killed with it would; the container's first process, its child, does not.
 */
static int native_main(const char *const *argv, const struct ends *ends, pid_t shim)
{
    static char *empty[] = { NULL, NULL };
    const char *self[COMMAND_ARGS + 2] = { "gantry-shim", "--oci" };
    const uint64_t as_usual[4] = {
        0
    }; /* the kernel's struct sigaction: SIG_DFL, and nothing else */
    struct error err = { 0 };
    sigset_t none;
    int argc = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != shim)
        return 1;
    /* Not by libc, which keeps two signals to itself that posix_spawn() left ignored. */
    for (int signal = 1; signal < NSIG; signal++)
        syscall(SYS_rt_sigaction, signal, as_usual, NULL, sizeof(uint64_t));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    redirect_own(ends->in, 0);
    redirect_own(ends->out, 1);
    redirect_own(ends->err, 2);
    syscall(SYS_close_range, 3, ~0u, 0);
    empty[0] = environment()[0];
    environ = empty;
    prctl(PR_SET_NAME, "gantry-oci");
    for (; argv[argc] != NULL; argc++)
        self[argc + 2] = argv[argc];
    if (self_begin((char **)(uintptr_t)self, &err) < 0 || begin_anew(self, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return oci_main(argc, (char **)(uintptr_t)argv);
}

static int native_fork(const char *const *argv, const struct ends *ends, pid_t *pid)
{
    pid_t shim = getpid();
    int status;

    *pid = fork();
    if (*pid == 0) {
        status = native_main(argv, ends, shim);
        _exit(fflush(stdout) == 0 ? status : 1);
    }
    return *pid < 0 ? errno : 0;
}

/* 0 or errno. */
int runtime_spawn(const char *const *argv, const struct ends *ends, pid_t *pid)
{
    if (strcmp(argv[0], RUNTIME_NATIVE) == 0)
        return native_fork(argv, ends, pid);
    return program_spawn(argv, ends, pid);
}

static void log_file(unsigned number, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "runtime.%u.log", number);
}

void command_pid_file(unsigned number, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "runtime.%u.pid", number);
}

struct command *command_new(struct process *process, const char *verb, command_done *done)
{
    struct shim *shim = process->shim;
    struct command *command = calloc(1, sizeof(*command));

    if (command == NULL)
        abort();
    *command = (struct command){ .shim = shim,
                                 .process = process,
                                 .verb = verb,
                                 .done = done,
                                 .output = -1,
                                 .errors = -1,
                                 .console = -1,
                                 .next = shim->commands,
                                 .number = ++shim->commands_seen };
    shim->commands = command;
    process->commands++;
    return command;
}

void command_free(struct command *command)
{
    struct command **at = &command->shim->commands;
    char name[NAME_SIZE];

    while (*at != command)
        at = &(*at)->next;
    *at = command->next;
    log_file(command->number, name);
    unlink(name);
    command_pid_file(command->number, name);
    unlink(name);
    if (command->console >= 0) {
        snprintf(name, sizeof(name), "console.%u", command->number);
        unlink(name);
        close(command->console);
    }
    if (command->output >= 0)
        close(command->output);
    if (command->errors >= 0)
        close(command->errors);
    command->process->commands--;
    free(command);
}

static int memory_file(const char *name, struct error *err)
{
    int file = memfd_create(name, MFD_CLOEXEC);

    return file < 0 ? error_sys(err, errno, "memory file") : file;
}

static int spawn(struct command *command, const char *const *argv, const struct ends *container,
                 struct error *err)
{
    struct ends ends = container != NULL ? *container : (struct ends){ -1, -1, -1 };
    int status;

    if (command->wants_output && (command->output = memory_file("output", err)) < 0)
        return -1;
    if (command->output >= 0)
        ends.out = command->output;
    if (ends.err < 0) {
        if ((command->errors = memory_file("errors", err)) < 0)
            return -1;
        ends.err = command->errors;
    }
    status = runtime_spawn(argv, &ends, &command->pid);
    if (status == 0)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION, "OCI runtime %s cannot be started: %s", argv[0],
              strerror(status));
    err->os = status;
    return error_hint(err, "install it, or choose another runtime");
}

static bool makes_process(const char *verb)
{
    return strcmp(verb, "create") == 0 || strcmp(verb, "run") == 0 || strcmp(verb, "exec") == 0;
}

int command_run(struct command *command, const char *const *args, const struct ends *ends,
                struct error *err)
{
    const char *argv[COMMAND_ARGS];
    char log[NAME_SIZE], console[NAME_SIZE];
    size_t count;

    log_file(command->number, log);
    count = runtime_args(&command->shim->task, log, argv);
    argv[count++] = command->verb;
    if (command->wants_console) {
        command->console = console_listen(command->number, console, err);
        if (command->console < 0)
            return command_free(command), -1;
        argv[count++] = "--console-socket";
        argv[count++] = console;
    }
    if (command->shim->task.filter != NULL && makes_process(command->verb)) {
        argv[count++] = "--seccomp-program";
        argv[count++] = command->shim->task.filter;
    }
    while (*args != NULL && count < COMMAND_ARGS - 1)
        argv[count++] = *args++;
    argv[count] = NULL;
    if (spawn(command, argv, ends, err) < 0)
        return command_free(command), -1;
    return 0;
}

void commands_kill(struct shim *shim)
{
    for (struct command *command = shim->commands; command != NULL; command = command->next)
        if (!command->has_ended && command->pid > 0)
            kill(command->pid, SIGKILL);
}

int command_pid_read(const struct command *command, pid_t *pid, struct error *err)
{
    char name[NAME_SIZE], text[32];

    command_pid_file(command->number, name);
    if (file_load(name, text, sizeof(text)) < 0 || (*pid = (pid_t)strtol(text, NULL, 10)) <= 0)
        return error_set(err, ERROR_INTERNAL, "OCI runtime %s %s succeeded but left no process id",
                         command->shim->task.runtime, command->verb);
    return 0;
}

/* ---- what it says when it fails --------------------------------------------- */

static unsigned hex4(const char *at)
{
    char digits[5] = { 0 };

    memcpy(digits, at, strnlen(at, 4));
    return (unsigned)strtoul(digits, NULL, 16);
}

/* Undoes the escapes of a JSON string, up to its closing quote. */
static void json_text(const char *at, char *out, size_t room)
{
    size_t size = 0;

    for (; *at != '\0' && *at != '"' && size + 1 < room; at++) {
        if (*at != '\\') {
            out[size++] = *at;
            continue;
        }
        at++;
        if (*at == '\0')
            break;
        if (*at == 'u') {
            unsigned code = hex4(at + 1);

            out[size++] = code >= ' ' && code < 127 ? (char)code : ' ';
            at += strnlen(at + 1, 4);
        } else {
            out[size++] = strchr("nrt", *at) != NULL ? ' ' : *at;
        }
    }
    out[size] = '\0';
}

/* The message of the last line that is an error. */
static bool log_message(const char *log, char *text, size_t room)
{
    const char *found = NULL;

    for (const char *at = log; (at = strstr(at, "\"msg\":")) != NULL; at++) {
        const char *line = at;
        size_t rest = strcspn(at, "\n");

        while (line > log && line[-1] != '\n')
            line--;
        if (memmem(line, (size_t)(at - line) + rest, "\"level\":\"error\"", 15) != NULL ||
            memmem(line, (size_t)(at - line) + rest, "\"level\":\"fatal\"", 15) != NULL)
            found = at + 6;
    }
    if (found == NULL)
        return false;
    found += strspn(found, " ");
    json_text(found + (*found == '"'), text, room);
    return text[0] != '\0';
}

/* Its last words, on one line. */
static bool stderr_message(int errors, char *text, size_t room)
{
    char bytes[4096];
    ssize_t size = errors < 0 ? -1 : pread(errors, bytes, sizeof(bytes) - 1, 0);

    if (size < 0 && errors >= 0 && errno == ESPIPE)
        size = read(errors, bytes, sizeof(bytes) - 1);
    if (size <= 0)
        return false;
    while (size > 0 && strchr("\n\r ", bytes[size - 1]) != NULL)
        size--;
    bytes[size] = '\0';
    for (char *at = bytes; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    snprintf(text, room, "%.*s", (int)room - 1, bytes);
    return size > 0;
}

/* runc: `exec: "x": executable file not found in $PATH`, `exec: "/x": stat /x: no such file or
   directory`, `exec: "/x": permission denied`; crun: `executable file `x` not found`, `open
   executable: Permission denied`, later `the path `/x` exists but it is not executable` and `the
   path `/x` is not a regular file`. Only these are about the command: that a mount's source is not
   there is no reason to tell the user that the command was not found. */
static enum error_code code_of(const char *text)
{
    const char *quoted = strstr(text, "exec: \"");

    if (strstr(text, "executable file `") != NULL && strstr(text, "not found") != NULL)
        return ERROR_NOT_FOUND;
    if (strstr(text, "open executable: No such file") != NULL)
        return ERROR_NOT_FOUND;
    if (strstr(text, "open executable: ") != NULL ||
        strstr(text, "exists but it is not executable") != NULL ||
        strstr(text, "` is not a regular file") != NULL)
        return ERROR_PERMISSION_DENIED;
    if (quoted == NULL)
        return ERROR_INTERNAL;
    if (strstr(quoted, "executable file not found") != NULL ||
        strstr(quoted, "no such file or directory") != NULL)
        return ERROR_NOT_FOUND;
    return strstr(quoted, "permission denied") != NULL || strstr(quoted, "is a directory") != NULL
               ? ERROR_PERMISSION_DENIED
               : ERROR_INTERNAL;
}

static void failure_of(const struct command *command, struct error *failure)
{
    const char *runtime = strrchr(command->shim->task.runtime, '/');
    char name[NAME_SIZE], log[8192], text[sizeof(failure->text) - 32];
    /* where the container's own stderr was the runtime's too, its words are in that pipe */
    int errors = command->errors >= 0 ? command->errors : command->process->error.source.fd;

    runtime = runtime != NULL ? runtime + 1 : command->shim->task.runtime;
    log_file(command->number, name);
    if ((file_load(name, log, sizeof(log)) > 0 && log_message(log, text, sizeof(text))) ||
        stderr_message(errors, text, sizeof(text)))
        error_set(failure, code_of(text), "%.20s: %s", runtime, text);
    else if (command->status > 128)
        error_set(failure, ERROR_INTERNAL, "%s %s was killed by signal %d", runtime, command->verb,
                  command->status - 128);
    else
        error_set(failure, ERROR_INTERNAL, "%s %s failed with status %d and said nothing", runtime,
                  command->verb, command->status);
}

void command_finish(struct command *command)
{
    struct error failure = { 0 };

    if (command->status != 0)
        failure_of(command, &failure);
    command->done(command, command->status != 0 ? &failure : NULL);
    command_free(command);
}
