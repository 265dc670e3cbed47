/*
 * idmap — mounts whose files belong to others than on the disk (mount_setattr(2),
 * MOUNT_ATTR_IDMAP).
 *
 * The kernel takes the mapping in the form of a user namespace.  One is made by a child that
 * does nothing but be in it until its maps are written; the descriptor keeps it after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "platform/linux/runtime/rootfs_parts.h"
#include "protocol/id_map.h"

#define RANGES_MAX ID_RANGES_MAX

/* ---- maps ------------------------------------------------------------------------ */

struct range {
    uint32_t disk, host, size;
};

/* As /proc/PID/uid_map takes it. */
static void range_add(struct buffer *map, const struct range *range)
{
    char line[48];
    int length = snprintf(line, sizeof(line), "%u %u %u\n", range->disk, range->host, range->size);

    buffer_add(map, line, (size_t)length);
}

static int range_read(const struct place *place, struct range *range, struct error *err)
{
    if (place_u32(place, "containerID", &range->disk, NULL, err) < 0 ||
        place_u32(place, "hostID", &range->host, NULL, err) < 0 ||
        place_needs(place, "size", err) < 0)
        return -1;
    return place_u32(place, "size", &range->size, NULL, err);
}

static int list_read(const struct place *list, struct buffer *map, struct error *err)
{
    size_t count;

    if (place_count(list, &count, err) < 0)
        return -1;
    if (count > RANGES_MAX)
        return place_failure(list, err, "has %zu ranges, at most %d go", count, RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct place place = place_element(list, i);
        struct range range;

        if (range_read(&place, &range, err) < 0)
            return -1;
        range_add(map, &range);
    }
    return 0;
}

/* ---- crun's option --------------------------------------------------------------- */

/* "@": the second number is an id in the container; which one is that on the host? */
static int range_resolve(struct range *range, const struct place *own, struct error *err)
{
    size_t count;

    if (place_count(own, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct place place = place_element(own, i);
        struct range part;

        if (range_read(&place, &part, err) < 0)
            return -1;
        if (range->host < part.disk || range->host - part.disk > part.size ||
            range->size > part.size - (range->host - part.disk))
            continue;
        range->host = part.host + (range->host - part.disk);
        return 0;
    }
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "idmap: %u to %llu of the container is not in one range of its mappings",
                     range->host, (unsigned long long)range->host + range->size);
}

static int triplets_read(const char *text, const struct place *own, struct buffer *map,
                         struct error *err)
{
    for (size_t count = 0; *text != '\0' && *text != ';'; count++) {
        bool relative = *text == '@';
        struct range range;
        int used = 0;

        text += relative;
        if (count == RANGES_MAX || strchr("0123456789", *text) == NULL ||
            sscanf(text, "%10u-%10u-%10u%n", &range.disk, &range.host, &range.size, &used) != 3 ||
            used == 0 || strchr("#;", text[used]) == NULL)
            return error_set(err, ERROR_INVALID_ARGUMENT, "idmap: \"%.60s\" is no range", text);
        if (relative && range_resolve(&range, own, err) < 0)
            return -1;
        range_add(map, &range);
        text += used + (text[used] == '#');
    }
    return 0;
}

/* "uids=0-1-10#10-11-10;gids=@0-100-10": disk, host, how many; crun(1), "idmap mount options" */
static int option_read(const char *option, const struct place *uids, const struct place *gids,
                       struct idmap *map, struct error *err)
{
    while (*option != '\0') {
        bool is_uid = strncmp(option, "uids=", 5) == 0;

        if (!is_uid && strncmp(option, "gids=", 5) != 0)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "idmap: \"%.60s\" is neither uids= nor gids=", option);
        if (triplets_read(option + 5, is_uid ? uids : gids, is_uid ? &map->uids : &map->gids, err) <
            0)
            return -1;
        option += strcspn(option, ";");
        option += *option == ';';
    }
    return 0;
}

/* ---- whose ----------------------------------------------------------------------- */

/* Only one kind was said: the other stays what it is in the container. */
static int rest_read(const struct place *own, struct buffer *map, struct error *err)
{
    static const struct range same = { 0, 0, UINT32_MAX };

    if (map->size > 0 || list_read(own, map, err) < 0)
        return map->size > 0 ? 0 : -1;
    if (map->size == 0)
        range_add(map, &same);
    return 0;
}

int idmap_read(const struct place *mount, const struct place *linux_, const char *option,
               struct idmap *map, struct error *err)
{
    struct place uids = place_member(mount, "uidMappings"),
                 gids = place_member(mount, "gidMappings");
    struct place own_uids = place_member(linux_, "uidMappings"),
                 own_gids = place_member(linux_, "gidMappings");

    if ((uids.json == NULL) != (gids.json == NULL))
        return place_failure(mount, err, "has one of uidMappings and gidMappings, needs both");
    if (option != NULL && uids.json == NULL) {
        if (option_read(option, &own_uids, &own_gids, map, err) < 0)
            return error_wrap(err, "mounts[%zu]", mount->index);
        return rest_read(&own_uids, &map->uids, err) < 0 ? -1
                                                         : rest_read(&own_gids, &map->gids, err);
    }
    if (list_read(uids.json != NULL ? &uids : &own_uids, &map->uids, err) < 0 ||
        list_read(gids.json != NULL ? &gids : &own_gids, &map->gids, err) < 0)
        return -1;
    if (map->uids.size == 0 || map->gids.size == 0)
        return place_failure(mount, err,
                           "is to be idmapped, but neither it nor linux has uidMappings and "
                           "gidMappings");
    return 0;
}

static int words_read(const char *what, const char *text, struct buffer *lines, struct error *err)
{
    struct id_map map = { .count = 0 };

    if (id_map_add(&map, what, text, err) < 0)
        return -1;
    for (size_t i = 0; i < map.count; i++)
        range_add(lines, &(struct range){ map.ranges[i].container, map.ranges[i].host,
                                          map.ranges[i].size });
    return 0;
}

int idmap_words(const char *uids, const char *gids, struct idmap *map, struct error *err)
{
    if (words_read("option uidmap", uids, &map->uids, err) < 0)
        return -1;
    return words_read("option gidmap", gids, &map->gids, err);
}

void idmap_free(struct idmap *map)
{
    buffer_free(&map->uids);
    buffer_free(&map->gids);
}

/* ---- the namespace ---------------------------------------------------------------- */

struct holder {
    pid_t pid;
    int leash; /* closed: it ends */
};

static int holder_start(struct holder *holder, struct error *err)
{
    int ends[2];
    char byte;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, errno, "pipe");
    /* no signal at its end: the caller's children are its own business */
    holder->pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER, NULL, NULL, NULL, NULL);
    if (holder->pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) < 0);
    }
    holder->leash = ends[1];
    close(ends[0]);
    if (holder->pid > 0)
        return 0;
    error_sys(err, errno, "make a user namespace");
    close(ends[1]);
    return -1;
}

static void holder_stop(const struct holder *holder)
{
    close(holder->leash);
    while (waitpid(holder->pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

static int map_write(pid_t pid, const char *name, const struct buffer *map, struct error *err)
{
    char path[64];
    CLEANUP(fd_drop) int file = -1;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, map->data, map->size) != (ssize_t)map->size)
        return error_sys(err, errno, "write %s", name);
    return 0;
}

int idmap_open(const struct idmap *map, struct error *err)
{
    struct holder holder = { -1, -1 };
    char path[64];
    int found = -1;

    if (holder_start(&holder, err) < 0)
        return -1;
    if (map_write(holder.pid, "uid_map", &map->uids, err) == 0 &&
        map_write(holder.pid, "gid_map", &map->gids, err) == 0) {
        snprintf(path, sizeof(path), "/proc/%d/ns/user", holder.pid);
        found = open(path, O_RDONLY | O_CLOEXEC);
        if (found < 0)
            error_sys(err, errno, "user namespace");
    }
    holder_stop(&holder);
    return found;
}

int idmap_apply(int tree, int namespace, bool all, struct error *err)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)namespace };
    unsigned flags = AT_EMPTY_PATH | (all ? AT_RECURSIVE : 0u);

    if (mount_setattr(tree, "", flags, &attr, sizeof(attr)) == 0)
        return 0;
    if (errno == EINVAL)
        return error_sys(err, EINVAL, "idmap (not every file system can)");
    return error_sys(err, errno, "idmap");
}
