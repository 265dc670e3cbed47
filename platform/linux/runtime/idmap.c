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

#define RANGES_MAX 340 /* user_namespaces(7) */

/* ---- maps ------------------------------------------------------------------------- */

/* As /proc/PID/uid_map takes it: what is on the disk, what it is on the host, how many. */
static int map_read(const struct place *list, struct buffer *map, struct error *err)
{
    size_t count;

    if (place_count(list, &count, err) < 0)
        return -1;
    if (count > RANGES_MAX)
        return place_error(list, err, "has %zu ranges, at most %d go", count, RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct place range = place_element(list, i);
        uint32_t inside, host, size;
        char line[48];
        int length;

        if (place_u32(&range, "containerID", &inside, NULL, err) < 0 ||
            place_u32(&range, "hostID", &host, NULL, err) < 0 ||
            place_needs(&range, "size", err) < 0 || place_u32(&range, "size", &size, NULL, err) < 0)
            return -1;
        length = snprintf(line, sizeof(line), "%u %u %u\n", inside, host, size);
        buffer_add(map, line, (size_t)length);
    }
    return 0;
}

int idmap_read(const struct place *mount, const struct place *linux_, struct idmap *map,
               struct error *err)
{
    struct place uids = place_member(mount, "uidMappings"),
                 gids = place_member(mount, "gidMappings");

    if ((uids.json == NULL) != (gids.json == NULL))
        return place_error(mount, err, "has one of uidMappings and gidMappings, needs both");
    if (uids.json == NULL) { /* the container's own */
        uids = place_member(linux_, "uidMappings");
        gids = place_member(linux_, "gidMappings");
    }
    if (map_read(&uids, &map->uids, err) < 0 || map_read(&gids, &map->gids, err) < 0)
        return -1;
    if (map->uids.size == 0 || map->gids.size == 0)
        return place_error(mount, err,
                           "is to be idmapped, but neither it nor linux has uidMappings and "
                           "gidMappings");
    return 0;
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
