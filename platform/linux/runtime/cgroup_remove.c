/*
 * cgroup_remove — the end of a container's groups.
 *
 * rmdir(2) says EBUSY while processes or groups are left inside, so it is tried at once, and only
 * what is left then is emptied: everybody killed, their ends waited for, and those below removed
 * first.  Ends are seen by pidfd and, where there is version 2, by `cgroup.events`.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 256
#define DIE_MS    10000 /* a killed process is gone long before, or hangs in the kernel */
#define TRIES_MAX 200

/* ---- folders ------------------------------------------------------------------------- */

static int tree_remove(int parent, const char *name, int depth);

static void children_remove(int parent, const char *name, int depth)
{
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *list = folder >= 0 ? fdopendir(folder) : NULL;
    struct dirent *entry;

    while (list != NULL && depth < DEPTH_MAX && (entry = readdir(list)) != NULL)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            tree_remove(folder, entry->d_name, depth + 1);
    if (list != NULL)
        closedir(list);
}

/* The end of a process is told before the scheduler has let go of it, and of its groups: that takes
   as long as one more switch, and version 1 has no event for it. */
static void yield_a_while(int tries)
{
    const struct timespec pause = { .tv_nsec = 100000L * tries };

    if (tries < 4)
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

static int tree_remove(int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    children_remove(parent, name, depth);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return -1;
        yield_a_while(tries);
    }
    return -1;
}

/* ---- emptying ------------------------------------------------------------------------- */

int events_wait_v2(const struct group *group, const char *word, uint64_t value, int timeout_ms)
{
    char path[PATH_MAX], text[256];
    struct pollfd events = { .events = POLLPRI };
    int done = -1;

    snprintf(path, sizeof(path), "%s/cgroup.events", group->folder);
    events.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (events.fd < 0)
        return errno == ENOENT ? 0 : -1;
    for (;;) {
        ssize_t size = pread(events.fd, text, sizeof(text) - 1, 0);
        uint64_t now;

        if (size < 0) { /* ENODEV: it was removed meanwhile */
            done = 0;
            break;
        }
        text[size] = '\0';
        if (!control_field(text, word, &now) || now == value) {
            done = 0;
            break;
        }
        if (poll(&events, 1, timeout_ms) == 0) {
            errno = ETIMEDOUT;
            break;
        }
    }
    close(events.fd);
    return done;
}

static int group_empty(const struct cgroup *cgroup, const struct group *group, struct error *err)
{
    CLEANUP(members_free) struct members members = { 0 };

    if (members_kill(group, &members, err) < 0)
        return -1;
    cgroup_thaw_v1(cgroup);
    if (members_wait(&members, DIE_MS) < 0)
        return error_set(err, ERROR_DEADLINE_EXCEEDED,
                         "control group %s: a process in it does not die", group->folder);
    if (group->controllers[0] == '\0')
        events_wait_v2(group, "populated", 0, DIE_MS);
    return 0;
}

/* true: nothing is left of it */
static bool group_try(struct group *group)
{
    return rmdir(group->folder) == 0 || errno == ENOENT;
}

static int group_remove(const struct cgroup *cgroup, struct group *group, struct error *err)
{
    if (group_try(group))
        return 0;
    if (errno == EBUSY && group_empty(cgroup, group, err) < 0)
        return -1;
    if (tree_remove(AT_FDCWD, group->folder, 0) < 0)
        return error_sys(err, errno, "remove control group %s", group->folder);
    return 0;
}

int cgroup_remove(struct cgroup *cgroup, struct error *err)
{
    int done = 0;

    if (cgroup->unit != NULL &&
        (cgroup_signal(cgroup, SIGKILL, err) < 0 || scope_stop(cgroup, err) < 0))
        done = -1;
    for (size_t i = 0; i < cgroup->count; i++)
        if (group_remove(cgroup, &cgroup->groups[i], err) < 0)
            done = -1;
    return done;
}
