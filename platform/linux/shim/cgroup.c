/*
 * cgroup — the little a supervisor wants of control groups: whether the kernel killed for
 * lack of memory, and, after an accident, that none is left behind.  The OCI runtime makes
 * and removes them.  Version 1 has one hierarchy per controller under /sys/fs/cgroup,
 * version 2 is that folder itself (or `unified` in it, where both are mounted).
 */
#include "platform/linux/shim/shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUPS   "/sys/fs/cgroup"
#define DIE_MS    5000 /* a killed process is gone long before, or hangs in the kernel */
#define DEPTH_MAX 16
#define TRIES_MAX 20

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

static void kill_and_wait(pid_t pid)
{
    struct pollfd process = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };

    if (process.fd < 0)
        return;
    syscall(SYS_pidfd_send_signal, process.fd, SIGKILL, NULL, 0);
    poll(&process, 1, DIE_MS);
    close(process.fd);
}

/* false: there was nobody. */
static bool members_kill(int folder)
{
    int file = openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *list = file >= 0 ? fdopen(file, "re") : NULL;
    bool found = false;
    int pid;

    if (list == NULL)
        return false;
    while (fscanf(list, "%d", &pid) == 1 && pid > 0 && pid != getpid()) {
        kill_and_wait(pid);
        found = true;
    }
    fclose(list);
    return found;
}

static void group_remove(int parent, const char *name, int depth)
{
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *list = folder >= 0 ? fdopendir(folder) : NULL;
    struct dirent *entry;

    if (list == NULL)
        return;
    while (depth < DEPTH_MAX && (entry = readdir(list)) != NULL)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            group_remove(folder, entry->d_name, depth + 1);
    for (int i = 0; i < TRIES_MAX && members_kill(folder); i++)
        ; /* until nobody forks any more */
    unlinkat(parent, name, AT_REMOVEDIR);
    closedir(list);
}

static void remove_in(const char *hierarchy, const char *path)
{
    char full[PATH_MAX];
    int parent;

    if (snprintf(full, sizeof(full), "%s%s%s", hierarchy, path[0] == '/' ? "" : "/", path) >=
        (int)sizeof(full))
        return;
    *strrchr(full, '/') = '\0';
    parent = open(full, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        group_remove(parent, strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path, 0);
        close(parent);
    }
}

void cgroups_remove(const char *path)
{
    struct statfs found;
    DIR *list;
    struct dirent *entry;
    char hierarchy[sizeof(CGROUPS) + NAME_SIZE];

    /* a systemd name (slice:prefix:name) is systemd's to remove; the root is nobody's */
    if (path == NULL || strchr(path, ':') != NULL || strstr(path, "..") != NULL ||
        path[0] == '\0' || path[strlen(path) - 1] == '/')
        return;
    if (statfs(CGROUPS, &found) == 0 && (long)found.f_type == CGROUP2_SUPER_MAGIC) {
        remove_in(CGROUPS, path);
        return;
    }
    list = opendir(CGROUPS);
    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        snprintf(hierarchy, sizeof(hierarchy), CGROUPS "/%s", entry->d_name);
        remove_in(hierarchy, path);
    }
    if (list != NULL)
        closedir(list);
}
