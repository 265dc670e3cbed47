/*
 * cgroup_members — the processes of a container: listed, signalled, and waited for.
 *
 * Killing needs no freezing: fork(2) does not return in a process that has a SIGKILL pending, so
 * whoever is on a list that was killed has no more children, and when a new list has nobody
 * new, all are killed.  Where there is version 2, the kernel does it itself (`cgroup.kill`).
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/platform.h"

#define DEPTH_MAX  256
#define ROUNDS_MAX 64 /* then it is a fork bomb, and is frozen first */

/* ---- lists ------------------------------------------------------------------------------ */

static int pid_order(const void *a, const void *b)
{
    pid_t left = *(const pid_t *)a, right = *(const pid_t *)b;

    return (left > right) - (left < right);
}

static void members_sort(struct members *members)
{
    size_t kept = 0;

    if (members->count > 0)
        qsort(members->pids, members->count, sizeof(*members->pids), pid_order);
    for (size_t i = 0; i < members->count; i++)
        if (kept == 0 || members->pids[i] != members->pids[kept - 1])
            members->pids[kept++] = members->pids[i];
    members->count = kept;
}

static int member_add(struct members *members, pid_t pid)
{
    if (members->count == members->room) {
        size_t room = members->room ? members->room * 2 : 64;
        pid_t *more = realloc(members->pids, room * sizeof(*more));

        if (more == NULL)
            return -1;
        members->pids = more;
        members->room = room;
    }
    members->pids[members->count++] = pid;
    return 0;
}

/* One group's own.  Those of a threaded group (version 2) are listed further up, and reading says
   EOPNOTSUPP; a group that is gone has none, ENODEV. */
static int members_of_folder(int folder, struct members *members)
{
    int fd = openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *list = fd >= 0 ? fdopen(fd, "re") : NULL;
    int pid, done = 0;

    if (list == NULL) {
        done = errno == ENOENT || errno == ENODEV ? 0 : -1;
        file_close(&fd);
        return done;
    }
    while (done == 0 && fscanf(list, "%d", &pid) == 1)
        if (pid > 0) /* 0: in a pid namespace that is not ours */
            done = member_add(members, pid);
    if (ferror(list) && errno != ENODEV && errno != EOPNOTSUPP)
        done = -1; /* half a list is no list: who is not on it is not killed */
    fclose(list);
    return done;
}

static int members_below(int parent, const char *name, int depth, struct members *members)
{
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), done;
    DIR *list = folder >= 0 ? fdopendir(folder) : NULL;
    struct dirent *entry;

    if (list == NULL) {
        done = errno == ENOENT ? 0 : -1;
        file_close(&folder);
        return done;
    }
    done = members_of_folder(folder, members);
    while (done == 0 && depth < DEPTH_MAX && (entry = readdir(list)) != NULL)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            done = members_below(folder, entry->d_name, depth + 1, members);
    closedir(list);
    return done;
}

int members_list(const struct group *group, struct members *members, struct error *err)
{
    members->count = 0;
    if (members_below(AT_FDCWD, group->folder, 0, members) < 0)
        return error_sys(err, errno, "list the processes of control group %s", group->folder);
    members_sort(members);
    return 0;
}

void members_free(struct members *members)
{
    free(members->pids);
}

static bool members_have(const struct members *members, pid_t pid)
{
    return members->count > 0 &&
           bsearch(&pid, members->pids, members->count, sizeof(*members->pids), pid_order) != NULL;
}

int cgroup_pids(const struct cgroup *cgroup, pid_t **pids, size_t *count, struct error *err)
{
    const struct group *group = cgroup_any(cgroup);
    struct members members = { 0 };

    *pids = NULL;
    *count = 0;
    if (group == NULL)
        return 0;
    if (members_list(group, &members, err) < 0) {
        members_free(&members);
        return -1;
    }
    *pids = members.pids;
    *count = members.count;
    return 0;
}

/* ---- signals ------------------------------------------------------------------------------ */

static int members_signal(const struct members *members, int signal, const struct members *but,
                          struct error *err)
{
    int done = 0;

    for (size_t i = 0; i < members->count; i++) {
        pid_t pid = members->pids[i];

        if (pid == getpid() || members_have(but, pid))
            continue;
        if (kill(pid, signal) < 0 && errno != ESRCH)
            done = error_sys(err, errno, "send signal %d to process %d", signal, (int)pid);
    }
    return done;
}

static bool any_new(const struct members *now, const struct members *before)
{
    for (size_t i = 0; i < now->count; i++)
        if (now->pids[i] != getpid() && !members_have(before, now->pids[i]))
            return true;
    return false;
}

int members_kill(const struct group *group, struct members *all, struct error *err)
{
    CLEANUP(members_free) struct members before = { 0 };
    int done = members_list(group, all, err);

    for (int i = 0; i < ROUNDS_MAX && done == 0 && any_new(all, &before); i++) {
        struct members swapped = before;

        done = members_signal(all, SIGKILL, &before, err);
        before = *all;
        *all = swapped;
        if (done == 0)
            done = members_list(group, all, err);
    }
    return done;
}

static int kill_all(const struct cgroup *cgroup, struct error *err)
{
    const struct group *unified = cgroup_group(cgroup, ""), *group = cgroup_any(cgroup);
    CLEANUP(members_free) struct members members = { 0 };
    int done = 0;

    /* since Linux 5.14 */
    if (unified != NULL && control_put(unified->folder, "cgroup.kill", "1") == 0 && cgroup->v2)
        return 0;
    if (group != NULL)
        done = members_kill(group, &members, err);
    cgroup_thaw_v1(cgroup);
    return done;
}

int cgroup_signal(const struct cgroup *cgroup, int signal, struct error *err)
{
    const struct group *group = cgroup_any(cgroup);
    CLEANUP(members_free) struct members members = { 0 }, nobody = { 0 };

    if (signal == SIGKILL)
        return kill_all(cgroup, err);
    if (group == NULL)
        return 0;
    if (members_list(group, &members, err) < 0)
        return -1;
    return members_signal(&members, signal, &nobody, err);
}

/* ---- waiting -------------------------------------------------------------------------------- */

int members_wait(const struct members *members, int timeout_ms)
{
    for (size_t i = 0; i < members->count; i++) {
        struct pollfd process = { .events = POLLIN };
        int ready;

        if (members->pids[i] == getpid())
            continue;
        process.fd = (int)syscall(SYS_pidfd_open, members->pids[i], 0);
        if (process.fd < 0)
            continue; /* gone, or a leader whose threads were all listed */
        ready = poll(&process, 1, timeout_ms);
        close(process.fd);
        if (ready == 0)
            return -1;
    }
    return 0;
}
