/*
 * mount_wants — "mounts" of config.json, read and checked.
 *
 * What runc refuses is refused in its words: callers look for them.
 */
#include <string.h>
#include <sys/mount.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* Absolute, without "//", "." or a slash at the end; ".." stays, the kernel knows better. */
static const char *clean(struct arena *arena, const char *path)
{
    char *out = arena_alloc(arena, strlen(path) + 2), *to = out;

    while (*path != '\0') {
        size_t length = strcspn(path, "/");

        if (length > 0 && !(length == 1 && path[0] == '.')) {
            *to++ = '/';
            memcpy(to, path, length);
            to += length;
        }
        path += length + (path[length] == '/');
    }
    if (to == out)
        *to++ = '/';
    return out;
}

bool path_is_at(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* The files of procfs that lxcfs and its like put their own over: the list is runc's. */
static bool proc_file_may_be_bound(const char *path)
{
    static const char *const known[] = {
        "/proc/cpuinfo",
        "/proc/diskstats",
        "/proc/meminfo",
        "/proc/stat",
        "/proc/swaps",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/slabinfo",
        "/proc/net/dev",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
    };

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(known[i], path) == 0)
            return true;
    return false;
}

static int destination_check(const struct mount_want *want, struct error *err)
{
    if (!path_is_at(want->destination, "/proc") || want->options.remount)
        return 0;
    if (strcmp(want->destination, "/proc") == 0) {
        if (want->is_bind || strcmp(want->type, "proc") == 0)
            return 0;
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"/proc\" cannot be mounted because it is not of type proc");
    }
    if (want->is_bind && proc_file_may_be_bound(want->destination))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "\"%s\" cannot be mounted because it is inside /proc", want->destination);
}

static int source_check(struct rootfs *rootfs, const struct place *place, struct mount_want *want,
                        struct error *err)
{
    if (!want->is_bind) {
        if (want->type == NULL && !want->options.remount)
            return place_needs(place, "type", err);
        if (want->source != NULL && want->source[0] == '\0')
            want->source = NULL;
        return 0;
    }
    if (want->options.remount)
        return 0;
    if (place_needs(place, "source", err) < 0)
        return -1;
    if (want->source[0] != '/')
        want->source = arena_printf(rootfs->arena, "%s/%s", rootfs->want.bundle, want->source);
    return 0;
}

/* What has to be filled first becomes read-only in the end. */
static void read_only_later(struct mount_want *want)
{
    const uint64_t bit = MOUNT_ATTR_RDONLY;
    bool filled = (want->type != NULL && strcmp(want->type, "tmpfs") == 0) ||
                  strcmp(want->destination, "/dev") == 0;

    if (!filled || ((want->options.own.set | want->options.all.set) & bit) == 0)
        return;
    want->options.own.set &= ~bit;
    want->options.all.set &= ~bit;
    want->read_only_later = true;
}

static int mount_read(struct rootfs *rootfs, const struct place *place, struct mount_want *want,
                      struct error *err)
{
    struct strs words;

    *want = (struct mount_want){ .tree = -1, .read_only = -1 };
    if (place_needs(place, "destination", err) < 0 ||
        place_text(place, "destination", &want->destination, err) < 0 ||
        place_text(place, "type", &want->type, err) < 0 ||
        place_text(place, "source", &want->source, err) < 0 ||
        place_texts(place, "options", &words, rootfs->arena, err) < 0)
        return -1;
    if (mount_options_read(&words, &want->options, rootfs->arena, err) < 0)
        return error_wrap(err, "mounts[%zu]", place->index);
    want->destination = clean(rootfs->arena, want->destination);
    want->options.idmap |= place_member(place, "uidMappings").json != NULL ||
                           place_member(place, "gidMappings").json != NULL;
    want->is_bind = want->options.bind || (want->type != NULL && strcmp(want->type, "bind") == 0);
    if ((want->options.idmap || want->options.idmap_all) && !want->is_bind)
        return place_failure(place, err, "(%s): only a bind can be mapped to other ids",
                           want->destination);
    if (source_check(rootfs, place, want, err) < 0)
        return -1;
    if (destination_check(want, err) < 0)
        return error_wrap(err, "mounts[%zu] (%s)", place->index, want->destination);
    if (want->is_bind && strcmp(want->destination, "/dev") == 0)
        rootfs->dev_is_bound = true;
    read_only_later(want);
    return 0;
}

int mounts_read(struct rootfs *rootfs, struct error *err)
{
    struct place list = place_member(rootfs->want.document, "mounts");

    if (place_count(&list, &rootfs->mount_count, err) < 0)
        return -1;
    rootfs->mounts =
        arena_alloc(rootfs->arena, (rootfs->mount_count + 1) * sizeof(*rootfs->mounts));
    for (size_t i = 0; i < rootfs->mount_count; i++) {
        struct place place = place_element(&list, i);

        if (mount_read(rootfs, &place, &rootfs->mounts[i], err) < 0) {
            rootfs->mount_count = i;
            return -1;
        }
    }
    return 0;
}
