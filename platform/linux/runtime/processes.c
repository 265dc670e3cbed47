/* See processes.h. */
#include "platform/linux/runtime/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define DEPTH_MAX 32 /* pid_namespaces(7) */

static int space_open(pid_t pid)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Is a process in this namespace, or in one that is below it? */
static bool is_inside(pid_t pid, const struct stat *space)
{
    int at = space_open(pid);

    for (int depth = 0; at >= 0 && depth < DEPTH_MAX; depth++) {
        struct stat found;
        int parent;

        if (fstat(at, &found) == 0 && found.st_ino == space->st_ino &&
            found.st_dev == space->st_dev)
            break;
        parent = ioctl(at, NS_GET_PARENT);
        close(at);
        at = parent;
    }
    if (at >= 0)
        close(at);
    return at >= 0;
}

static int pid_compare(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

static int pid_add(pid_t **pids, size_t *count, pid_t pid)
{
    if ((*count & (*count - 1)) == 0) { /* doubles */
        pid_t *more = realloc(*pids, (*count > 0 ? 2 * *count : 1) * sizeof(*more));

        if (more == NULL)
            return -1;
        *pids = more;
    }
    (*pids)[(*count)++] = pid;
    return 0;
}

static int inside_list(const struct stat *space, pid_t **pids, size_t *count, struct error *err)
{
    DIR *list = opendir("/proc");
    struct dirent *entry;
    int result = list != NULL ? 0 : -1;

    while (result == 0 && (entry = readdir(list)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && is_inside(pid, space))
            result = pid_add(pids, count, pid);
    }
    if (result < 0)
        error_sys(err, errno, "list processes");
    if (list != NULL)
        closedir(list);
    return result;
}

static int process_signal(int process, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, process, number, NULL, 0);
}

static int space_list(const struct state *state, pid_t **pids, size_t *count, struct error *err)
{
    struct error ignored;
    CLEANUP(file_close) int process = state_pidfd(state, &ignored);
    CLEANUP(file_close) int space = process >= 0 ? space_open(state->pid) : -1;
    struct stat info;

    if (process < 0) /* with the first all others have ended */
        return 0;
    if (space < 0 || fstat(space, &info) < 0)
        return error_sys(err, errno, "pid namespace of container %s", state->id);
    if (process_signal(process, 0) < 0) /* and what was opened may be another's */
        return 0;
    if (inside_list(&info, pids, count, err) < 0)
        return -1;
    qsort(*pids, *count, sizeof(**pids), pid_compare);
    return 0;
}

int processes_list(const struct state *state, const struct cgroup *cgroup, pid_t **pids,
                   size_t *count, struct error *err)
{
    *pids = NULL;
    *count = 0;
    if (!cgroup_is_none(cgroup))
        return cgroup_pids(cgroup, pids, count, err);
    if ((state_number(state, "namespaces") & CLONE_NEWPID) == 0)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "container %s has neither control groups nor a pid namespace of its own: "
                         "nobody knows which processes are in it",
                         state->id);
    if (space_list(state, pids, count, err) == 0)
        return 0;
    free(*pids);
    *pids = NULL;
    return -1;
}

int processes_signal(const struct state *state, const struct cgroup *cgroup, int number,
                     struct error *err)
{
    pid_t *pids;
    size_t count;
    int result = 0;

    if (!cgroup_is_none(cgroup))
        return cgroup_signal(cgroup, number, err);
    if (processes_list(state, cgroup, &pids, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (kill(pids[i], number) < 0 && errno != ESRCH)
            result = error_sys(err, errno, "send signal %d to process %d", number, (int)pids[i]);
    free(pids);
    return result;
}
