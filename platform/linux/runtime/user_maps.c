/* See user_maps.h. */
#include "platform/linux/runtime/user_maps.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/files.h"
#include "platform/platform.h"
#include "platform/scope.h"

extern char **environ;

#define RANGES_MAX 340 /* user_namespaces(7): lines of a map */
#define LINE_SIZE  36

struct range {
    uint32_t inside, outside, size;
};

static int range_read(const struct place *list, size_t index, struct range *range,
                      struct error *err)
{
    struct place place = place_element(list, index);

    if (place_needs(&place, "containerID", err) < 0 || place_needs(&place, "hostID", err) < 0 ||
        place_needs(&place, "size", err) < 0 ||
        place_u32(&place, "containerID", &range->inside, NULL, err) < 0 ||
        place_u32(&place, "hostID", &range->outside, NULL, err) < 0 ||
        place_u32(&place, "size", &range->size, NULL, err) < 0)
        return -1;
    if (range->size == 0)
        return place_failure(&place, err, "size is 0");
    return 0;
}

static int list_check(const struct place *linux_, const char *key, struct error *err)
{
    struct place list = place_member(linux_, key);
    struct range range;
    size_t count;

    if (place_count(&list, &count, err) < 0)
        return -1;
    if (count == 0)
        return place_failure(&list, err, "is missing, and there is a new user namespace");
    if (count > RANGES_MAX)
        return place_failure(&list, err, "has more than %d ranges", RANGES_MAX);
    for (size_t i = 0; i < count; i++)
        if (range_read(&list, i, &range, err) < 0)
            return -1;
    return 0;
}

int user_maps_check(const struct place *linux_, struct error *err)
{
    return list_check(linux_, "uidMappings", err) < 0 ? -1 : list_check(linux_, "gidMappings", err);
}

int64_t user_maps_root(const struct place *linux_, const char *key)
{
    struct place list = place_member(linux_, key);
    struct error ignored;
    struct range range;

    for (size_t i = 0; i < json_array_size(list.json); i++)
        if (range_read(&list, i, &range, &ignored) == 0 && range.inside == 0)
            return range.outside;
    return -1;
}

/* ---- writing ------------------------------------------------------------------------ */

static int map_write(const struct place *list, const char *path, struct error *err)
{
    char text[RANGES_MAX * LINE_SIZE];
    size_t used = 0;

    for (size_t i = 0; i < json_array_size(list->json); i++) {
        struct range range;

        if (range_read(list, i, &range, err) < 0)
            return -1;
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%u %u %u\n", range.inside,
                                 range.outside, range.size);
    }
    return file_set(path, text, err);
}

static int helper_wait(const char *program, pid_t pid, struct error *err)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "wait for %s", program);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return error_set(err, ERROR_PERMISSION_DENIED,
                     "%s refused the ranges of the user namespace: see /etc/subuid and /etc/subgid",
                     program);
}

/* newuidmap PID INSIDE OUTSIDE SIZE ... */
static int helper_run(const struct place *list, const char *program, pid_t pid, struct error *err)
{
    char words[1 + RANGES_MAX * 3][12], path[PATH_SIZE];
    char *argv[3 + RANGES_MAX * 3];
    size_t count = 0;
    pid_t helper;
    int failure;

    if (program_look_up(program, path, err) < 0)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "%s is not installed (Debian's package uidmap), and without it a user who "
                         "is not root can map himself alone",
                         program);
    snprintf(words[count++], sizeof(words[0]), "%d", (int)pid);
    for (size_t i = 0; i < json_array_size(list->json); i++) {
        struct range range;

        if (range_read(list, i, &range, err) < 0)
            return -1;
        snprintf(words[count++], sizeof(words[0]), "%u", range.inside);
        snprintf(words[count++], sizeof(words[0]), "%u", range.outside);
        snprintf(words[count++], sizeof(words[0]), "%u", range.size);
    }
    argv[0] = path;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = words[i];
    argv[count + 1] = NULL;
    failure = posix_spawn(&helper, path, NULL, NULL, argv, environ);
    return failure != 0 ? error_sys(err, failure, "start %s", path)
                        : helper_wait(program, helper, err);
}

/* A plain user may map himself, and nobody else. */
static bool is_oneself(const struct place *list, uint32_t id)
{
    struct error ignored;
    struct range range;

    return json_array_size(list->json) == 1 && range_read(list, 0, &range, &ignored) == 0 &&
           range.size == 1 && range.outside == id;
}

static int one_write(const struct place *list, const char *file, const char *helper, uint32_t own,
                     pid_t pid, struct error *err)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    if (geteuid() == 0 || is_oneself(list, own))
        return map_write(list, path, err);
    return helper_run(list, helper, pid, err);
}

int user_maps_write(const struct place *linux_, pid_t pid, struct error *err)
{
    struct place users = place_member(linux_, "uidMappings");
    struct place groups = place_member(linux_, "gidMappings");
    char path[64];

    /* without rights over groups only they who cannot leave any get a map (setgroups(2)) */
    snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
    if (geteuid() != 0 && is_oneself(&groups, getegid()) && file_set(path, "deny", err) < 0)
        return -1;
    if (one_write(&groups, "gid_map", "newgidmap", getegid(), pid, err) < 0)
        return error_wrap(err, "linux.gidMappings");
    if (one_write(&users, "uid_map", "newuidmap", geteuid(), pid, err) < 0)
        return error_wrap(err, "linux.uidMappings");
    return 0;
}
