/* See rdt.h: what changes while a container runs. */
#include "platform/linux/runtime/rdt_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/linux/runtime/cgroup_parts.h"

#define PASSES_MAX 100

int rdt_update(const struct rdt *rdt, const struct place *linux_, struct error *err)
{
    struct place place = place_member(linux_, "intelRdt");
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct rdt wanted = *rdt;

    wanted.arena = arena;
    wanted.count = 0;
    if (rdt->name[0] == '\0')
        return error_set(
            err, ERROR_FAILED_PRECONDITION,
            "linux.intelRdt: the container is in the default class, which is everybody's "
            "(write to %s/" SCHEMATA ", or give it a class by closID)",
            rdt->root);
    if (schemas_read(&wanted, &place, err) < 0)
        return -1;
    return schemas_write(&wanted, err);
}

/* ---- threads that run already --------------------------------------------------------- */

static int number_compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

struct numbers {
    long *items;
    size_t count;
};

static void numbers_free(struct numbers *numbers)
{
    free(numbers->items);
}

/* Who is in a group, sorted. */
static int tasks_read(const char *folder, struct numbers *numbers, struct error *err)
{
    char *text = rdt_file(folder, TASKS, err), *end;

    if (text == NULL)
        return -1;
    numbers->items = calloc(strlen(text) / 2 + 1, sizeof(*numbers->items));
    for (char *at = text; numbers->items != NULL && *at != '\0'; at = end) {
        long number = strtol(at, &end, 10);

        if (end == at)
            break;
        numbers->items[numbers->count++] = number;
    }
    free(text);
    if (numbers->items == NULL)
        return error_sys(err, ENOMEM, "tasks of %s", folder);
    qsort(numbers->items, numbers->count, sizeof(*numbers->items), number_compare);
    return 0;
}

/* Those of a process that are not in yet; who has ended meanwhile is nobody's concern. */
static int threads_move(const struct rdt *rdt, pid_t pid, const struct numbers *inside,
                        size_t *moved, struct error *err)
{
    char path[32];
    struct dirent *entry;
    int result = 0;
    DIR *list;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    list = opendir(path);
    while (list != NULL && result == 0 && (entry = readdir(list)) != NULL) {
        long thread = strtol(entry->d_name, NULL, 10);

        if (thread <= 0 ||
            bsearch(&thread, inside->items, inside->count, sizeof(thread), number_compare) != NULL)
            continue;
        (*moved)++;
        result = rdt_enter(rdt, (pid_t)thread, err);
        if (result < 0 && err->os == ESRCH)
            result = 0;
    }
    if (list != NULL)
        closedir(list);
    return result;
}

static int pass(const struct rdt *rdt, const struct cgroup *cgroup, size_t *moved,
                struct error *err)
{
    CLEANUP(numbers_free) struct numbers inside = { 0 };
    size_t count = 0;
    pid_t *pids = NULL;
    int result = tasks_read(rdt->folder, &inside, err);

    *moved = 0;
    if (result == 0)
        result = cgroup_pids(cgroup, &pids, &count, err);
    for (size_t i = 0; i < count && result == 0; i++)
        result = threads_move(rdt, pids[i], &inside, moved, err);
    free(pids);
    return result;
}

/* Until a pass finds nobody outside: who is forked by one inside is inside. */
int rdt_gather(const struct rdt *rdt, const struct cgroup *cgroup, struct error *err)
{
    for (size_t i = 0, moved = 1; i < PASSES_MAX && moved > 0; i++)
        if (pass(rdt, cgroup, &moved, err) < 0)
            return -1;
    return 0;
}
