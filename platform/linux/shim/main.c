/*
 * gantry-shim FOLDER — the supervisor of one container.
 *
 * It comes to life in the steps of the table below, each of which may fail: then it says
 * why, and what it has made goes with it (mounts with the namespace; the rest is undone in
 * `create_failed`).  It answers on standard output, once: `ok PID` or `error CODE TEXT`.
 * If nobody is left to read that answer before it is given, the container is not wanted,
 * and is undone as well.
 *
 * Then it lives as long as its container, whatever becomes of the daemon: see the table
 * of questions in asks.c.  It ends when the container was deleted.
 *
 * Who starts it is not its parent: it forks once, so that the daemon has a child to reap
 * at once and none later.  With --spare it is started ahead, and is told its folder on standard
 * input when there is one; it ends when its daemon does so first.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/oci.h"
#include "platform/linux/runtime/self.h"

#define SERVE_LAST_NS 2000000000ll /* after the end: for clients to take what is queued */

char shim_packet[SHIM_PACKET_MAX + 1];

/* ---- the answer ----------------------------------------------------------------- */

/* Numbers 0 to 2 stay taken: a pipe that got one would be in the way of a child's own. */
static void answer_close(struct shim *shim)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    loop_unwatch(&shim->answer);
    shim->answer.fd = -1;
    dup2(nowhere, STDOUT_FILENO);
    close(nowhere);
}

static int answer_line(struct shim *shim, const char *line)
{
    size_t size = strlen(line);
    ssize_t written = write(STDOUT_FILENO, line, size);

    answer_close(shim);
    return written == (ssize_t)size ? 0 : -1;
}

static void answer_error(struct shim *shim, const struct error *err)
{
    char line[sizeof(err->text) + 64];

    snprintf(line, sizeof(line) - 1, "error %s %s", error_code_name(err->code), err->text);
    for (char *at = line; *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    memcpy(line + strlen(line), "\n", 2);
    answer_line(shim, line);
}

/* ---- undoing what could not become a container ----------------------------------- */

static void undone(struct command *command, const struct error *failure UNUSED)
{
    cgroups_remove(command->shim->task.cgroup);
    shim_end(command->shim);
}

void shim_undo(struct shim *shim)
{
    const char *args[] = { "--force", shim->task.runtime_id, NULL };
    struct command *command = command_new(shim->processes, "delete", undone);
    struct error ignored;

    if (command_run(command, args, NULL, &ignored) < 0)
        shim_end(shim);
}

/* Kept for the end: it is said when nothing is left. */
static struct error birth_failure;

static void create_failed(struct shim *shim, const struct error *failure)
{
    birth_failure = *failure;
    shim_undo(shim);
}

/* ---- creating ----------------------------------------------------------------------- */

static int take_created(struct command *command, struct error *err)
{
    struct shim *shim = command->shim;

    if (process_take(command, err) < 0 || pid_write(shim, command->process->pid, err) < 0)
        return -1;
    return clients_listen(shim, err);
}

static int answer_created(struct shim *shim)
{
    char line[32];

    snprintf(line, sizeof(line), "ok %d\n", (int)shim->processes->pid);
    return answer_line(shim, line);
}

static void created(struct command *command, const struct error *failure)
{
    struct shim *shim = command->shim;
    struct process *own = command->process;
    struct error err = { 0 };

    ends_close(&own->ends);
    loop_unwatch(&shim->answer);
    if (failure != NULL || take_created(command, &err) < 0) {
        create_failed(shim, failure != NULL ? failure : &err);
        return;
    }
    memory_open(&shim->memory, own->pid);
    own->state = STATE_CREATED;
    if (answer_created(shim) < 0)
        shim_undo(shim);
    else
        streams_read(own);
}

/* Clients can attach to what does not run yet; the rest is done by ask start (starts.c). */
static int defer(struct shim *shim, struct error *err)
{
    shim->processes->state = STATE_CREATED;
    if (pid_write(shim, 0, err) < 0 || clients_listen(shim, err) < 0)
        return -1;
    loop_unwatch(&shim->answer);
    return answer_created(shim) < 0
               ? error_set(err, ERROR_CANCELLED, "nobody waits for the container any longer")
               : 0;
}

static int create(struct shim *shim, struct error *err)
{
    struct process *own = shim->processes;
    struct command *command = command_new(own, "create", created);
    char pid_file[NAME_SIZE];
    const char *args[] = { "--bundle", shim->folder,          "--pid-file",
                           pid_file,   shim->task.runtime_id, NULL };

    command_pid_file(command->number, pid_file);
    command->wants_console = own->is_terminal;
    return command_run(command, args, own->is_terminal ? NULL : &own->ends, err);
}

static int make(struct shim *shim, struct error *err)
{
    struct process *own = process_add(shim, "");

    own->state = STATE_CREATING;
    own->is_terminal = shim->task.tty;
    own->input.is_wanted = shim->task.stdin;
    own->is_waiting = shim->task.hold;
    if (shim->task.window != NULL)
        own->window = *shim->task.window;
    if (streams_open(own, err) < 0)
        return -1;
    /* A terminal gets its size between the two, before the process can ask for it. */
    return shim->task.defer && !own->is_terminal ? defer(shim, err) : create(shim, err);
}

/* ---- coming to life ------------------------------------------------------------------ */

/* Everything at its default for the container; nothing but its own end ends the shim. */
static int detach(struct shim *shim UNUSED, struct error *err)
{
    static const int deaf_to[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2 };

    setsid(); /* fails when we lead a session already: as good */
    umask(022);
    for (size_t i = 0; i < COUNT_OF(deaf_to); i++)
        signal(deaf_to[i], SIG_IGN);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return error_sys(err, errno, "become a subreaper");
    return loop_open(err);
}

static int folder_enter(struct shim *shim, struct error *err)
{
    char text[32];

    if (getcwd(shim->folder, sizeof(shim->folder)) == NULL)
        return error_sys(err, errno, "task folder");
    shim->lock = lock_open();
    if (shim->lock < 0)
        return error_sys(err, errno, "lock %s/shim.pid", shim->folder);
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(shim->lock, 0) < 0 ||
        pwrite(shim->lock, text, strlen(text), 0) != (ssize_t)strlen(text))
        return error_sys(err, errno, "write %s/shim.pid", shim->folder);
    return 0;
}

static int task_read(struct shim *shim, struct error *err)
{
    ssize_t size = file_load("task", shim_packet, sizeof(shim_packet));

    if (size < 0)
        return error_sys(err, errno, "read %s/task", shim->folder);
    shim->arena = arena_new();
    if (record_unpack(shim_task_record(), RECORD_LENIENT, shim_packet, (size_t)size, &shim->task,
                      shim->arena, err) < 0)
        return error_wrap(err, "%s/task", shim->folder);
    if (shim->task.protocol != SHIM_PROTOCOL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "%s/task is of protocol %llu, this gantry-shim (%s) knows %d",
                         shim->folder, (unsigned long long)shim->task.protocol, GANTRY_VERSION,
                         SHIM_PROTOCOL);
    return 0;
}

static int mounts_make(struct shim *shim, struct error *err)
{
    if (namespace_leave(&shim->task, err) < 0)
        return -1;
    return rootfs_make(&shim->task, err);
}

static int log_start(struct shim *shim, struct error *err)
{
    return log_open(&shim->log, &shim->task, err);
}

/* Who waits for the answer has gone: epoll reports that on the pipe unasked. */
static void on_unwanted(void *owner, uint32_t events UNUSED)
{
    answer_close(owner);
    commands_kill(owner); /* so the creation fails, and is undone */
}

static int answer_watch(struct shim *shim, struct error *err UNUSED)
{
    loop_watch(&shim->answer, 0); /* a file instead of a pipe cannot be watched, nor hang up */
    return 0;
}

/* Before the first thing that would have to be undone. */
static int still_wanted(struct shim *shim, struct error *err)
{
    struct pollfd reader = { .fd = shim->answer.fd };

    if (poll(&reader, 1, 0) > 0 && reader.revents & POLLERR)
        return error_set(err, ERROR_CANCELLED, "nobody waits for the container any longer");
    return 0;
}

static int (*const steps[])(struct shim *shim, struct error *err) = {
    detach,    folder_enter, task_read,    exits_open, answer_watch,
    log_start, mounts_make,  still_wanted, make,
};

static int come_to_life(struct shim *shim, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (steps[i](shim, err) < 0)
            return -1;
    return 0;
}

/* ---- living and ending ----------------------------------------------------------------- */

void shim_end(struct shim *shim)
{
    shim->is_ending = true;
    shim->ends_at = time_monotonic() + SERVE_LAST_NS;
    loop_close(&shim->listener);
    unlink("sock");
    unlink("pid");
}

static bool is_done(const struct shim *shim)
{
    if (!shim->is_ending || (!shim->is_quitting && !clients_lose_nothing(shim)))
        return false;
    return clients_are_served(shim) || time_monotonic() >= shim->ends_at;
}

static int live(struct shim *shim)
{
    while (!is_done(shim)) {
        loop_turn(shim->is_ending ? 100 : -1);
        clients_sweep(shim);
    }
    if (birth_failure.code == ERROR_NONE)
        return 0;
    rootfs_unmount();
    answer_error(shim, &birth_failure);
    return 1;
}

static int supervise(void)
{
    static struct shim shim;
    struct error err = { 0 };

    shim.lock = shim.log.file = shim.memory.events = -1;
    shim.listener.fd = shim.signals.fd = shim.still.freezer.state = shim.still.freezer.events = -1;
    shim.answer = (struct source){ .fd = STDOUT_FILENO, .on_ready = on_unwanted, .owner = &shim };
    if (come_to_life(&shim, &err) == 0)
        return live(&shim);
    if (err.code == ERROR_NOT_FOUND || err.code == ERROR_PERMISSION_DENIED)
        err.code = ERROR_INTERNAL; /* those are said of the container's command alone */
    answer_error(&shim, &err);
    return 1;
}

/* Until then the one who started us may still be setting our limits. */
static void wait_for_go(void)
{
    char ignored[64];

    while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0)
        ;
}

/* ---- started ahead ----------------------------------------------------------------------- */

/* Waits for the folder, which ends with the input; false: it is not wanted, its daemon has gone. */
static bool folder_hear(char folder[PATH_MAX])
{
    size_t size = 0;
    ssize_t got;

    while (size < PATH_MAX - 1 &&
           (got = read(STDIN_FILENO, folder + size, PATH_MAX - 1 - size)) != 0) {
        if (got < 0 && errno != EINTR)
            return false;
        size += got > 0 ? (size_t)got : 0;
    }
    folder[size] = '\0';
    return size > 0;
}

static int spare_main(void)
{
    char folder[PATH_MAX];
    int errors;
    pid_t pid = fork();

    if (pid != 0)
        return pid < 0;
    namespace_leave_ahead();
    if (!folder_hear(folder))
        return 0;
    if (chdir(folder) < 0) {
        printf("error %s task folder %s: %s\n", error_code_name(ERROR_INTERNAL), folder,
               strerror(errno));
        return 1;
    }
    errors = open("shim.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (errors >= 0) {
        dup2(errors, STDERR_FILENO);
        close(errors);
    }
    return supervise();
}

static int usage(void)
{
    fputs("usage: gantry-shim FOLDER | --spare | --reap FOLDER | --version\n"
          "The supervisor of one container; started by gantryd with the task's folder.\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct error err = { 0 };
    pid_t pid;

    if (self_begin(argv, &err) < 0) {
        fprintf(stderr, "gantry-shim: %s\n", err.text);
        return 1;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("gantry-shim " GANTRY_VERSION) < 0;
    if (argc == 3 && strcmp(argv[1], "--reap") == 0)
        return reap_main(argv[2]);
    if (argc > 2 && strcmp(argv[1], "--oci") == 0) /* by itself: see native_main() */
        return oci_main(argc - 2, argv + 2);
    prctl(PR_SET_NAME, "gantry-shim"); /* whatever path it was started by */
    syscall(SYS_close_range, 3, ~0u, 0);
    if (argc == 2 && strcmp(argv[1], "--spare") == 0)
        return spare_main();
    if (argc != 2 || argv[1][0] == '-')
        return usage();
    wait_for_go();
    if (chdir(argv[1]) < 0) {
        printf("error %s task folder %s: %s\n", error_code_name(ERROR_INTERNAL), argv[1],
               strerror(errno));
        return 1;
    }
    pid = fork();
    if (pid < 0)
        printf("error %s fork: %s\n", error_code_name(ERROR_INTERNAL), strerror(errno));
    if (pid != 0)
        return pid < 0;
    return supervise();
}
