/*
 * cgroup_path — the rules of linux.cgroupsPath (runtime-spec config-linux.md, "Cgroups Path").
 *
 * An absolute path begins at the mount point of each hierarchy; a relative one, and the id that
 * stands in where there is none, at the runtime's own group.  A path is refused that leads
 * back up, or that would name a group which is not the container's alone: what is in a
 * container's group is killed when the container is deleted.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM 2048 /* leaves room for a mount point, our own group and a file's name */

static bool is_step_up(const char *step, size_t size)
{
    return size == 2 && step[0] == '.' && step[1] == '.';
}

/* Without empty steps and single dots; NULL: a step is not allowed. */
static char *tidy(const char *wanted, struct arena *arena)
{
    char *tidied = arena_alloc(arena, strlen(wanted) + 1), *at = tidied;

    for (const char *step = wanted; *step != '\0';) {
        size_t size = strcspn(step, "/");

        if (is_step_up(step, size) || size > NAME_MAX || memchr(step, '\n', size) != NULL)
            return NULL;
        if (size > 0 && !(size == 1 && step[0] == '.')) {
            if (at != tidied || wanted[0] == '/')
                *at++ = '/';
            memcpy(at, step, size);
            at += size;
        }
        step += size + (step[size] == '/');
    }
    *at = '\0';
    return tidied;
}

const char *cgroup_path_of(const char *wanted, const char *id, struct arena *arena,
                           struct error *err)
{
    const char *path;

    if (wanted == NULL || wanted[0] == '\0')
        wanted = id;
    if (strlen(wanted) > PATH_ROOM) {
        error_set(err, ERROR_INVALID_ARGUMENT, "linux.cgroupsPath: is longer than %d bytes",
                  PATH_ROOM);
        return NULL;
    }
    path = tidy(wanted, arena);
    if (path == NULL)
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "linux.cgroupsPath: %.200s: a step is \"..\", has a newline or is too long",
                  wanted);
    else if (path[0] == '\0' || strcmp(path, "/") == 0)
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "linux.cgroupsPath: %.200s: a container needs a group of its own", wanted);
    else
        return path;
    return NULL;
}

/* ---- below ----------------------------------------------------------------------------- */

static int group_descend(struct cgroup *cgroup, struct group *group, const char *path,
                         struct error *err)
{
    group->path = arena_printf(cgroup->arena, "%s/%s", group->path, path);
    group->folder = arena_printf(cgroup->arena, "%s%s", group->mounted, group->path);
    if (access(group->folder, F_OK) < 0)
        return error_sys(err, errno, "control group %s", group->folder);
    return 0;
}

int cgroup_descend(struct cgroup *cgroup, const char *wanted, struct error *err)
{
    const char *colon = strchr(wanted, ':'), *path = colon != NULL ? colon + 1 : wanted;

    if (colon != NULL && cgroup->v2)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--cgroup %.200s: cgroup v2 has one path for all controllers", wanted);
    path = tidy(path + strspn(path, "/"), cgroup->arena);
    if (path == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--cgroup %.200s: leads out of the group",
                         wanted);
    for (const char *at = wanted; colon != NULL && at < colon; at += strspn(at, ",:")) {
        size_t size = strcspn(at, ",:");
        struct group *group =
            cgroup_group(cgroup, arena_printf(cgroup->arena, "%.*s", (int)size, at));

        if (group == NULL)
            return error_set(err, ERROR_NOT_FOUND, "--cgroup %.200s: there is no controller %.*s",
                             wanted, (int)size, at);
        if (path[0] != '\0' && group_descend(cgroup, group, path, err) < 0)
            return -1;
        at += size;
    }
    for (size_t i = 0; colon == NULL && path[0] != '\0' && i < cgroup->count; i++)
        /* of a hybrid host, nobody makes groups in that of version 2 alone */
        if ((cgroup->v2 || cgroup->groups[i].controllers[0] != '\0') &&
            group_descend(cgroup, &cgroup->groups[i], path, err) < 0)
            return -1;
    return 0;
}
