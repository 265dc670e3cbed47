/* freezer — see freezer.h, and the kernel's cgroup-v2.rst and cgroup-v1/freezer-subsystem.rst. */
#include "platform/linux/freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/scope.h"

#define GROUPS   "/sys/fs/cgroup"

/* Down to the folder that has the id in its name. */
static bool group_cut(char *path, const char *id)
{
    char *at = strstr(path, id);

    if (at == NULL)
        return false;
    at[strcspn(at, "/\n")] = '\0';
    return true;
}

/* The path in the hierarchy of that controller ("": version 2): lines are NUMBER:CONTROLLERS:PATH.
 */
static bool group_find(FILE *groups, const char *controller, const char *id, char path[4096])
{
    char line[4096], *names, *rest;

    rewind(groups);
    while (fgets(line, sizeof(line), groups) != NULL) {
        names = strchr(line, ':');
        rest = names != NULL ? strchr(names + 1, ':') : NULL;
        if (rest == NULL)
            continue;
        *rest++ = '\0';
        if (strcmp(names + 1, controller) != 0 || !group_cut(rest, id))
            continue;
        snprintf(path, 4096, "%s", rest);
        return true;
    }
    return false;
}

static int file_of(const char *hierarchy, const char *group, const char *name, int flags)
{
    char path[8192];

    snprintf(path, sizeof(path), GROUPS "%s%s/%s", hierarchy, group, name);
    return open(path, flags | O_CLOEXEC);
}

static bool new_open(FILE *groups, const char *id, struct freezer *freezer)
{
    static const char *const hierarchies[] = { "", "/unified" };
    char group[4096];

    if (!group_find(groups, "", id, group))
        return false;
    for (size_t i = 0; i < COUNT_OF(hierarchies) && freezer->state < 0; i++) {
        freezer->state = file_of(hierarchies[i], group, "cgroup.freeze", O_RDWR);
        freezer->events = file_of(hierarchies[i], group, "cgroup.events", O_RDONLY);
    }
    return freezer->state >= 0 && freezer->events >= 0;
}

static bool old_open(FILE *groups, const char *id, struct freezer *freezer)
{
    char group[4096];

    if (!group_find(groups, "freezer", id, group))
        return false;
    freezer->is_old = true;
    freezer->state = file_of("/freezer", group, "freezer.state", O_RDWR);
    return freezer->state >= 0;
}

int freezer_open(uint64_t pid, const char *id, struct freezer *freezer, struct error *err)
{
    char path[64];
    FILE *groups;
    bool is_open;

    *freezer = (struct freezer){ .state = -1, .events = -1 };
    snprintf(path, sizeof(path), "/proc/%llu/cgroup", (unsigned long long)pid);
    groups = fopen(path, "re");
    if (groups == NULL)
        return error_sys(err, errno, "open %s", path);
    is_open = old_open(groups, id, freezer);
    if (!is_open) {
        freezer_close(freezer);
        is_open = new_open(groups, id, freezer);
    }
    fclose(groups);
    if (is_open)
        return 0;
    freezer_close(freezer);
    return error_set(err, ERROR_NOT_FOUND, "control group of process %llu: has no freezer",
                     (unsigned long long)pid);
}

static bool file_says(int file, const char *word)
{
    char text[256];
    ssize_t got = pread(file, text, sizeof(text) - 1, 0);

    text[got > 0 ? got : 0] = '\0';
    return strstr(text, word) != NULL;
}

bool freezer_is_frozen(const struct freezer *freezer)
{
    return freezer->is_old ? file_says(freezer->state, "FROZEN")
                           : file_says(freezer->events, "frozen 1");
}

static int state_set(const struct freezer *freezer, bool frozen)
{
    const char *word = freezer->is_old ? (frozen ? "FROZEN" : "THAWED") : frozen ? "1" : "0";

    return write(freezer->state, word, strlen(word)) < 0 ? -1 : 0;
}

bool freezer_is_set(const struct freezer *freezer)
{
    return freezer->is_old ? !file_says(freezer->state, "THAWED") : file_says(freezer->state, "1");
}

int freezer_freeze(const struct freezer *freezer, struct error *err)
{
    return state_set(freezer, true) < 0 ? error_sys(err, errno, "freeze the container") : 0;
}

void freezer_thaw(const struct freezer *freezer)
{
    if (freezer->state >= 0)
        state_set(freezer, false);
}

void freezer_close(struct freezer *freezer)
{
    if (freezer->state >= 0)
        close(freezer->state);
    if (freezer->events >= 0)
        close(freezer->events);
    freezer->state = freezer->events = -1;
}
