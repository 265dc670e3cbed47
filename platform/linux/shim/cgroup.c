/*
 * cgroup — the little a supervisor wants of control groups: whether the kernel killed for
 * lack of memory, and, after an accident, that none is left behind.  The OCI runtime makes
 * and removes them; removing is the native engine's, whichever made them.  Version 1 has one
 * hierarchy per controller under /sys/fs/cgroup, version 2 is that folder itself (or `unified` in
 * it, where both are mounted).
 */
#include "platform/linux/shim/shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup.h"

#define CGROUPS "/sys/fs/cgroup"

/* ---- out of memory ----------------------------------------------------------- */

/* The path in the line of /proc/<pid>/cgroup that has this between its colons. */
static bool path_in(const char *table, const char *controllers, char *path, size_t room)
{
    size_t length = strlen(controllers);

    for (const char *line = table; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        const char *name;

        line += *line == '\n';
        name = strchr(line, ':');
        if (name == NULL)
            break;
        if (strncmp(name + 1, controllers, length) != 0 || name[1 + length] != ':')
            continue;
        name += length + 2;
        snprintf(path, room, "%.*s", (int)strcspn(name, "\n"), name);
        return path[0] == '/' && strstr(path, "/..") == NULL;
    }
    return false;
}

/* What is about our own group too says nothing of the container. */
static int events_open(const char *its, const char *ours, const char *controllers,
                       const char *hierarchy, const char *file)
{
    char path[1024], own[1024], full[1200];

    if (!path_in(its, controllers, path, sizeof(path)))
        return -1;
    if (path_in(ours, controllers, own, sizeof(own)) && strcmp(path, own) == 0)
        return -1;
    snprintf(full, sizeof(full), CGROUPS "%s%s/%s", hierarchy, path, file);
    return open(full, O_RDONLY | O_CLOEXEC);
}

void memory_open(struct memory *memory, pid_t pid)
{
    char name[40], its[4096], ours[4096];

    snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
    memory->events = -1;
    if (file_load(name, its, sizeof(its)) < 0 ||
        file_load("/proc/self/cgroup", ours, sizeof(ours)) < 0)
        return;
    memory->events = events_open(its, ours, "memory", "/memory", "memory.oom_control");
    if (memory->events < 0)
        memory->events = events_open(its, ours, "", "", "memory.events");
}

uint64_t memory_oom_kills(const struct memory *memory)
{
    char text[1024];
    const char *found;
    ssize_t size = memory->events < 0 ? -1 : pread(memory->events, text, sizeof(text) - 1, 0);

    if (size <= 0)
        return 0;
    text[size] = '\0';
    found = strstr(text, "oom_kill ");
    return found != NULL ? strtoull(found + 9, NULL, 10) : 0;
}

/* ---- clearing up --------------------------------------------------------------- */

void cgroups_remove(const char *path)
{
    const struct place nothing = { 0 };
    const struct cgroup_want want = { path, "", &nothing, &nothing, false, false };
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    struct error ignored;

    /* a systemd name (slice:prefix:name) is systemd's to remove; the root is nobody's */
    if (path == NULL || strchr(path, ':') != NULL || strstr(path, "..") != NULL ||
        path[0] == '\0' || path[strlen(path) - 1] == '/')
        return;
    cgroup = cgroup_new(&want, &ignored);
    if (cgroup != NULL)
        cgroup_remove(cgroup, &ignored);
}
