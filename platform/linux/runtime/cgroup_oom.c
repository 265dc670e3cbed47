/*
 * cgroup_oom — a descriptor that tells of kills for lack of memory.
 *
 * Version 1 writes to an eventfd that is registered in cgroup.event_control; version 2 changes
 * memory.events, which inotify(7) sees, at every limit that is reached.  The eventfd is also
 * written to when the group is removed.  So what is read from either matters less than the group's
 * own count.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

static int events_v2(const struct group *group)
{
    int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/memory.events", group->folder);
    if (events >= 0 && inotify_add_watch(events, path, IN_MODIFY) < 0) {
        close(events);
        return -1;
    }
    return events;
}

static int events_v1(const struct group *group)
{
    int events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), control;
    char path[PATH_MAX], line[40];

    snprintf(path, sizeof(path), "%s/memory.oom_control", group->folder);
    control = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(line, sizeof(line), "%d %d", events, control);
    if (events >= 0 && control >= 0 &&
        control_put(group->folder, "cgroup.event_control", line) < 0) {
        close(events);
        events = -1;
    }
    if (control >= 0)
        close(control); /* the registration holds what it needs, until the group is gone */
    return control >= 0 ? events : -1;
}

int cgroup_memory_events(const struct cgroup *cgroup, struct error *err)
{
    const struct group *group = cgroup_group(cgroup, cgroup->v2 ? "" : "memory");
    int events;

    if (group == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "there is no memory controller for this container");
    events = cgroup->v2 ? events_v2(group) : events_v1(group);
    return events >= 0 ? events : error_sys(err, errno, "watch the memory of %s", group->folder);
}

uint64_t cgroup_memory_kills(const struct cgroup *cgroup)
{
    const struct group *group = cgroup_group(cgroup, cgroup->v2 ? "" : "memory");
    const char *file = cgroup->v2 ? "memory.events" : "memory.oom_control";
    char text[512];
    uint64_t kills = 0;

    if (group != NULL && control_get(group->folder, file, text, sizeof(text)) > 0)
        control_field(text, "oom_kill", &kills);
    return kills;
}

/* With the OOM killer turned off (version 1) nobody is killed, and the event is the only word. */
bool cgroup_memory_ran_out(const struct cgroup *cgroup, int events, uint64_t *kills)
{
    const struct group *group = cgroup_group(cgroup, cgroup->v2 ? "" : "memory");
    uint64_t before = *kills;
    char taken[4096];
    bool any = false;

    while (read(events, taken, sizeof(taken)) > 0)
        any = true;
    *kills = cgroup_memory_kills(cgroup);
    if (cgroup->v2 || !any)
        return *kills > before;
    return group != NULL && control_is_there(group->folder, "memory.oom_control");
}
