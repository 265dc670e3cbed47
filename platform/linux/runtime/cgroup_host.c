/*
 * cgroup_host — which hierarchies this host has, where they are, and where we are in them.
 *
 * Everybody mounts version 2 at /sys/fs/cgroup, or a tmpfs there with a folder for each
 * hierarchy of version 1, called like its controllers, and version 2 in `unified`.  So one
 * statfs(2) tells the version, and /proc/self/cgroup and a statfs(2) for each line the rest.  Only
 * where that does not come out right (a hierarchy is mounted elsewhere, or what is mounted is not
 * its root) is /proc/self/mountinfo read, which on a host with many containers is long.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUPS    "/sys/fs/cgroup"
#define NAMED      "name=" /* of a hierarchy without a controller */
#define GROUPS_MAX 32      /* the kernel has 14 controllers */
#define TABLE_MAX  (64u << 10)
#define MOUNTS_MAX (16u << 20)

/* ---- groups ----------------------------------------------------------------------- */

void cgroup_add(struct cgroup *cgroup, const char *controllers, const char *mounted,
                const char *path)
{
    struct arena *arena = cgroup->arena;

    if (cgroup->groups == NULL)
        cgroup->groups = arena_alloc(arena, GROUPS_MAX * sizeof(*cgroup->groups));
    if (cgroup->count == GROUPS_MAX)
        return;
    cgroup->groups[cgroup->count++] = (struct group){
        .controllers = arena_str(arena, controllers),
        .mounted = arena_str(arena, mounted),
        .path = arena_str(arena, path),
        .folder = arena_printf(arena, "%s%s", mounted, path),
        .door = -1,
    };
}

/* Is the word one of those between the commas? */
static bool has_word(const char *words, const char *word)
{
    size_t size = strlen(word);

    for (;; words += strcspn(words, ",") + 1) {
        if (strncmp(words, word, size) == 0 && (words[size] == ',' || words[size] == '\0'))
            return true;
        if (strchr(words, ',') == NULL)
            return false;
    }
}

struct group *cgroup_group(const struct cgroup *cgroup, const char *controller)
{
    for (size_t i = 0; i < cgroup->count; i++)
        if (!cgroup->groups[i].absent && has_word(cgroup->groups[i].controllers, controller))
            return &cgroup->groups[i];
    return NULL;
}

struct group *cgroup_any(const struct cgroup *cgroup)
{
    struct group *best = cgroup_group(cgroup, "freezer");

    for (size_t i = 0; best == NULL && i < cgroup->count; i++)
        if (!cgroup->groups[i].absent)
            best = &cgroup->groups[i];
    return best;
}

/* ---- mountinfo ---------------------------------------------------------------------- */

/* All of a file of /proc, which does not tell its size; free() it.  NULL: errno. */
static char *file_read(const char *path, size_t limit)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0, room = 4096;
    char *text = malloc(room + 1);
    ssize_t got = fd < 0 || text == NULL ? -1 : 1;

    while (got > 0) {
        got = read(fd, text + size, room - size);
        size += got > 0 ? (size_t)got : 0;
        if (size == room) {
            char *more = room < limit ? realloc(text, room * 2 + 1) : NULL;

            if (more == NULL)
                got = -1;
            else
                text = more, room *= 2;
        }
    }
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

struct mount {
    char root[PATH_MAX];
    char at[PATH_MAX];
};

/* Where a hierarchy is mounted: proc(5), "/proc/pid/mountinfo".  Its paths escape blanks, which no
   mount point of a hierarchy has; one that does is not found. */
static bool mount_find(const char *mounts, const char *controllers, struct mount *mount)
{
    for (const char *line = mounts; line != NULL && *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        const char *dash = memmem(line, (size_t)(end - line), " - ", 3);
        char type[16], options[256];

        if (dash != NULL &&
            sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->at) == 2 &&
            sscanf(dash, " - %15s %*s %255s", type, options) == 2) {
            if (controllers[0] == '\0' && strcmp(type, "cgroup2") == 0)
                return true;
            if (controllers[0] != '\0' && strcmp(type, "cgroup") == 0 &&
                strstr(options, controllers) != NULL &&
                has_word(strstr(options, controllers), controllers))
                return true;
        }
        line = *end == '\n' ? end + 1 : end;
    }
    return false;
}

/* Our group below a mount that does not begin at the hierarchy's root (in a container). */
static const char *path_below(const char *own, const char *root)
{
    size_t size = strlen(root);

    if (strcmp(root, "/") == 0)
        return own;
    if (strncmp(own, root, size) == 0 && (own[size] == '/' || own[size] == '\0'))
        return own + size;
    return "";
}

/* ---- hierarchies ----------------------------------------------------------------------- */

struct search {
    struct cgroup *cgroup;
    const char *path; /* the container's */
    char *mounts;     /* read when the first one is needed */
};

static bool is_mounted(const char *at, bool v2)
{
    struct statfs found;

    return statfs(at, &found) == 0 &&
           (long)found.f_type == (v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

static bool is_there(const char *at, const char *path)
{
    char full[PATH_MAX];

    if (path[0] == '\0' || strcmp(path, "/") == 0)
        return true;
    return snprintf(full, sizeof(full), "%s%s", at, path) < (int)sizeof(full) &&
           access(full, F_OK) == 0;
}

/* Adds the group in one hierarchy; one that is not mounted is none of ours. */
static int hierarchy_add(struct search *search, const char *controllers, const char *own)
{
    bool relative = search->path[0] != '/', v2 = controllers[0] == '\0';
    const char *name =
        strncmp(controllers, NAMED, strlen(NAMED)) == 0 ? controllers + strlen(NAMED) : controllers;
    char path[PATH_MAX];
    struct mount mount;

    snprintf(mount.at, sizeof(mount.at), CGROUPS "/%s", v2 ? "unified" : name);
    if (strstr(own, "/..") != NULL) /* outside of our cgroup namespace: cgroup_namespaces(7) */
        own = "";
    if (!is_mounted(mount.at, v2) || (relative && !is_there(mount.at, own))) {
        if (v2) /* it limits nothing: not worth the search */
            return 0;
        if (search->mounts == NULL)
            search->mounts = file_read("/proc/self/mountinfo", MOUNTS_MAX);
        if (search->mounts == NULL || !mount_find(search->mounts, controllers, &mount))
            return 0;
        own = path_below(own, mount.root);
    }
    if (strcmp(own, "/") == 0 || !relative)
        own = "";
    if (snprintf(path, sizeof(path), "%s%s%s", own, relative ? "/" : "", search->path) >=
        (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    cgroup_add(search->cgroup, controllers, mount.at, path);
    return 0;
}

/* A line is "7:cpu,cpuacct:/path"; that of version 2 has 0 and no names. */
static int table_walk(struct search *search, char *table)
{
    char *rest = NULL;

    for (char *line = strtok_r(table, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

        if (path == NULL)
            continue;
        *path++ = '\0';
        if (hierarchy_add(search, controllers + 1, path) < 0)
            return -1;
    }
    return 0;
}

static int find_v1(struct search *search, struct error *err)
{
    char *table = file_read("/proc/self/cgroup", TABLE_MAX);
    int got = -1;

    if (table != NULL)
        got = table_walk(search, table);
    if (got < 0)
        error_sys(err, errno, "read /proc/self/cgroup");
    else if (search->cgroup->count == 0)
        got = error_set(err, ERROR_FAILED_PRECONDITION,
                        "no cgroup hierarchy is mounted at " CGROUPS " or elsewhere");
    free(search->mounts);
    free(table);
    return got;
}

/* A relative path is beside our group, not in it: version 2 allows no processes in a group that
   hands controllers down ("no internal processes", cgroups(7)). */
static int find_v2(struct search *search, struct error *err)
{
    char path[PATH_MAX] = "", *table, *own, *last;

    search->cgroup->v2 = true;
    if (search->path[0] == '/') {
        cgroup_add(search->cgroup, "", CGROUPS, search->path);
        return 0;
    }
    table = file_read("/proc/self/cgroup", TABLE_MAX);
    own = table != NULL ? strstr(table, "0::/") : NULL;
    if (own != NULL) {
        own += strlen("0::");
        own[strcspn(own, "\n")] = '\0';
        last = strrchr(own, '/');
        *last = '\0';
        if (strstr(own, "/..") == NULL && is_there(CGROUPS, own))
            snprintf(path, sizeof(path), "%s", own);
    }
    free(table);
    if (strlen(path) + strlen(search->path) + 2 > sizeof(path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "linux.cgroupsPath: is too long here");
    strcat(path, "/");
    strcat(path, search->path);
    cgroup_add(search->cgroup, "", CGROUPS, path);
    return 0;
}

int cgroup_find(struct cgroup *cgroup, const char *path, struct error *err)
{
    struct search search = { .cgroup = cgroup, .path = path };

    if (is_mounted(CGROUPS, true))
        return find_v2(&search, err);
    return find_v1(&search, err);
}
