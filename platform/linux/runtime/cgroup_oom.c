/*
 * cgroup_oom — a descriptor that tells of kills for lack of memory.
 *
 * Version 1 writes to an eventfd that is registered in cgroup.event_control; version 2 changes
 * memory.events, which inotify(7) sees.  Either becomes readable; what is read from it does not
 * matter, but must be read before it can tell again.
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
