/*
 * reap — clearing up after a shim that was killed: `gantry-shim --reap FOLDER`.
 *
 * The container may still run, without anybody who reads its output or will ever learn how
 * it ends, and commands of the runtime that the shim had started may still be at work.
 * First those are ended, then the runtime is told to delete by force, then control groups
 * that it knows nothing of are removed.  It is the helper's business because it needs the
 * same mount namespace that the shim had (see rootfs.c).
 *
 * What lies in the folder stays: the exit status may be there, and the daemon removes the
 * rest with it.
 */
#include "platform/linux/shim/shim.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIE_MS  5000
#define LOOK_NS 5000000

static int answer_line(int status, const struct error *err)
{
    if (status == 0)
        puts("ok 0");
    else
        printf("error %s %s\n", error_code_name(err->code), err->text);
    return status == 0 ? 0 : 1;
}

/* ---- is it dead? -------------------------------------------------------------- */

static bool is_listening(void)
{
    const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "sock" };
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool connected =
        probe >= 0 && connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0;

    if (probe >= 0)
        close(probe);
    return connected;
}

/* A shim that does not listen (any more) is about to end, and the lock tells when; or it does not yet,
   and its answer may have got through although nobody reads it: then it comes to life behind us. */
static int wait_dead(struct error *err)
{
    const struct timespec moment = { .tv_nsec = LOOK_NS };
    int lock;

    while ((lock = lock_open()) < 0 && errno == EAGAIN) {
        if (is_listening())
            return error_set(err, ERROR_FAILED_PRECONDITION, "its shim is alive: ask it to quit");
        clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    }
    return lock < 0 ? error_sys(err, errno, "shim.pid") : 0; /* held until we end */
}

/* ---- commands it left ----------------------------------------------------------- */

/* Whether the runtime's path and the container's id are both among its arguments. */
static bool is_about(const char *pid, const struct shim_task *task)
{
    char name[64], *at = shim_packet;
    bool has_runtime = false, has_id = false;
    ssize_t size;

    snprintf(name, sizeof(name), "/proc/%.20s/cmdline", pid);
    size = file_load(name, shim_packet, sizeof(shim_packet));
    while (size > 0 && at < shim_packet + size) {
        has_runtime |= strcmp(at, task->runtime) == 0;
        has_id |= strcmp(at, task->runtime_id) == 0;
        at += strlen(at) + 1;
    }
    return has_runtime && has_id;
}

static void end_process(pid_t pid)
{
    struct pollfd process = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };

    if (process.fd < 0)
        return;
    syscall(SYS_pidfd_send_signal, process.fd, SIGKILL, NULL, 0);
    poll(&process, 1, DIE_MS);
    close(process.fd);
}

static void commands_end(const struct shim_task *task)
{
    DIR *list = opendir("/proc");
    struct dirent *entry;

    while (list != NULL && (entry = readdir(list)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && is_about(entry->d_name, task))
            end_process((pid_t)strtol(entry->d_name, NULL, 10));
    if (list != NULL)
        closedir(list);
}

/* ---- the container ---------------------------------------------------------------- */

static int delete_by_force(const struct shim_task *task, struct error *err)
{
    const struct ends ends = { -1, -1, 2 };
    const char *argv[COMMAND_ARGS];
    size_t count = runtime_args(task, NULL, argv);
    pid_t pid;
    int raw, status;

    argv[count++] = "delete";
    argv[count++] = "--force";
    argv[count++] = task->runtime_id;
    argv[count] = NULL;
    status = runtime_spawn(argv, &ends, &pid);
    if (status != 0)
        return error_sys(err, status, "start OCI runtime %s", task->runtime);
    while (waitpid(pid, &raw, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(raw) || WEXITSTATUS(raw) != 0)
        return error_set(err, ERROR_INTERNAL, "%s delete --force %s failed", task->runtime,
                         task->runtime_id);
    return 0;
}

static int reap(const char *folder, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct shim_task task = { 0 };
    ssize_t size;
    int status;

    if (chdir(folder) < 0)
        return error_sys(err, errno, "task folder %s", folder);
    if (wait_dead(err) < 0)
        return -1;
    size = file_load("task", shim_packet, sizeof(shim_packet));
    if (size < 0)
        return 0; /* it died before it could be told anything */
    if (record_unpack(shim_task_record(), RECORD_LENIENT, shim_packet, (size_t)size, &task, arena,
                      err) < 0)
        return error_wrap(err, "%s/task", folder);
    commands_end(&task);
    task.shared = (struct strs){ 0 };
    if (namespace_leave(&task, err) < 0)
        return -1;
    status = delete_by_force(&task, err);
    cgroups_remove(task.cgroup);
    return status;
}

int reap_main(const char *folder)
{
    struct error err = { 0 };
    int status = reap(folder, &err);

    return answer_line(status, &err);
}
