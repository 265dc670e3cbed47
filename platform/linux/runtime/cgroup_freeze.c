/*
 * cgroup_freeze — pausing a container: `cgroup.freeze` of version 2, `freezer.state` of version 1.
 *
 * Both work on their own after the write.  Version 2 tells when it is done by an event; version 1
 * does not, and can get stuck at FREEZING while a process forks or waits for another that is frozen
 * already (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst), which writing again, and
 * once in a while thawing in between, gets over.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define FREEZE_MS   5000
#define TRIES_MAX   1000
#define THAW_EVERY  50
#define PAUSE_NS    50000L
#define PAUSE_STEPS 20 /* of tries until the pause is at its longest */

static bool state_is(const struct group *group, const char *state)
{
    char text[16];

    return control_get(group->folder, "freezer.state", text, sizeof(text)) > 0 &&
           strncmp(text, state, strlen(state)) == 0;
}

static int freeze_v1(const struct group *group, struct error *err)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        const struct timespec pause = {
            .tv_nsec = PAUSE_NS * (tries < PAUSE_STEPS ? tries : PAUSE_STEPS),
        };

        if (tries % THAW_EVERY == THAW_EVERY - 1)
            control_put(group->folder, "freezer.state", "THAWED");
        if (control_put(group->folder, "freezer.state", "FROZEN") < 0)
            return error_sys(err, errno, "freeze %s", group->folder);
        if (state_is(group, "FROZEN"))
            return 0;
        nanosleep(&pause, NULL);
    }
    control_put(group->folder, "freezer.state", "THAWED");
    return error_set(err, ERROR_DEADLINE_EXCEEDED,
                     "freeze %s: a process in it cannot be frozen; all are thawed again",
                     group->folder);
}

static int freeze_v2(const struct group *group, bool frozen, struct error *err)
{
    if (control_put(group->folder, "cgroup.freeze", frozen ? "1" : "0") < 0)
        return error_sys(err, errno, "%s %s", frozen ? "freeze" : "thaw", group->folder);
    if (events_wait_v2(group, "frozen", frozen, FREEZE_MS) == 0)
        return 0;
    if (frozen)
        control_put(group->folder, "cgroup.freeze", "0");
    return error_sys(err, errno, "%s %s", frozen ? "freeze" : "thaw", group->folder);
}

int cgroup_freeze(struct cgroup *cgroup, bool frozen, struct error *err)
{
    const struct group *freezer = cgroup_group(cgroup, "freezer");
    const struct group *unified = cgroup_group(cgroup, "");

    if (freezer == NULL && unified != NULL)
        return freeze_v2(unified, frozen, err);
    if (freezer == NULL)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "cannot %s: there is no cgroup freezer for this container",
                         frozen ? "pause" : "resume");
    if (frozen)
        return freeze_v1(freezer, err);
    if (control_put(freezer->folder, "freezer.state", "THAWED") < 0)
        return error_sys(err, errno, "thaw %s", freezer->folder);
    return 0;
}

bool cgroup_is_frozen(const struct cgroup *cgroup)
{
    const struct group *freezer = cgroup_group(cgroup, "freezer");
    const struct group *unified = cgroup_group(cgroup, "");
    uint64_t frozen;

    /* FREEZING too: whoever asked for it was stopped before he could tell */
    if (freezer != NULL)
        return state_is(freezer, "FROZEN") || state_is(freezer, "FREEZING");
    return unified != NULL && control_number(unified->folder, "cgroup.freeze", &frozen) &&
           frozen == 1;
}

void cgroup_thaw_v1(const struct cgroup *cgroup)
{
    const struct group *freezer = cgroup_group(cgroup, "freezer");

    if (freezer != NULL && cgroup_is_frozen(cgroup))
        control_put(freezer->folder, "freezer.state", "THAWED");
}
