/* links — see links.h. */
#include "platform/linux/pack/links.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct link_group **bucket(struct link_group **buckets, const struct stat *st)
{
    uint64_t mixed = ((uint64_t)st->st_ino ^ (uint64_t)st->st_dev << 32) * 0x9e3779b97f4a7c15u;

    return &buckets[mixed >> 52];
}

static struct link_group *group_of(struct link_group **buckets, const struct stat *st)
{
    struct link_group **at = bucket(buckets, st), *group;

    for (group = *at; group != NULL; group = group->next)
        if (group->inode == st->st_ino && group->device == st->st_dev)
            return group;
    group = calloc(1, sizeof(*group));
    if (group == NULL)
        return NULL;
    group->device = st->st_dev;
    group->inode = st->st_ino;
    group->next = *at;
    *at = group;
    return group;
}

struct link_group *links_group(struct links *links, const struct stat *st, struct error *err)
{
    struct link_group *group = group_of(links->now, st);

    if (group == NULL)
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for files with several names");
    return group;
}

int links_wait(struct link_group *group, const char *path, struct error *err)
{
    char *copy = strdup(path);

    if (copy != NULL && group->count == group->room) {
        size_t room = 2 * group->room + 4;
        char **waiting = realloc(group->waiting, room * sizeof(*waiting));

        if (waiting != NULL) {
            group->waiting = waiting;
            group->room = room;
        }
    }
    if (copy == NULL || group->count == group->room) {
        free(copy);
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for names");
    }
    group->waiting[group->count++] = copy;
    return 0;
}

int links_told(struct link_group *group, const char *path, struct error *err)
{
    group->told = strdup(path);
    return group->told != NULL
               ? 0
               : error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for names");
}

static bool is_paired_with(struct link_group *group, const struct stat *other)
{
    if (group->is_paired)
        return group->was_device == other->st_dev && group->was_inode == other->st_ino;
    group->was_device = other->st_dev;
    group->was_inode = other->st_ino;
    return group->is_paired = true;
}

bool links_pair(struct links *links, const struct stat *was, const struct stat *st)
{
    struct link_group *now, *before;

    if (was->st_nlink < 2 && st->st_nlink < 2)
        return true;
    now = group_of(links->now, st);
    before = group_of(links->before, was);
    /* out of memory: told once too often is not wrong */
    return now != NULL && before != NULL && is_paired_with(now, was) && is_paired_with(before, st);
}
