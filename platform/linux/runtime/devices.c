/*
 * devices — /dev of the container: the nodes every program counts on, those of linux.devices,
 * and the links beside them.
 *
 * Where nodes may not be made (a user namespace) the host's are bound over empty files, after
 * a look that they are the devices they are called.  If /dev itself is bound from the host,
 * it is complete already and nobody's to change.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* runtime-spec, "Default Devices"; numbers: Documentation/admin-guide/devices.txt */
static const struct {
    const char *path;
    unsigned major, minor;
} standard[] = {
    { "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
    { "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

/* ---- reading ---------------------------------------------------------------------- */

static int type_read(const struct place *place, mode_t *type, struct error *err)
{
    static const struct {
        const char *name;
        mode_t type;
    } types[] = { { "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO } };
    struct place member = place_member(place, "type");
    const char *name;

    if (place_needs(place, "type", err) < 0 || place_text(place, "type", &name, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].name, name) != 0)
            continue;
        *type = types[i].type;
        return 0;
    }
    return place_failure(&member, err, "is \"%.16s\", must be c, b, u or p", name);
}

static int number_read(const struct place *place, const char *key, mode_t type, unsigned *out,
                       struct error *err)
{
    struct place member = place_member(place, key);
    int64_t value;
    bool has;

    *out = 0;
    if (place_i64(place, key, &value, &has, err) < 0)
        return -1;
    if (type == S_IFIFO)
        return 0;
    if (!has)
        return place_failure(&member, err, "is missing");
    if (value < 0 || value > UINT32_MAX)
        return place_failure(&member, err, "is %lld, no such number", (long long)value);
    *out = (unsigned)value;
    return 0;
}

static bool names_file(const char *path)
{
    const char *name = strrchr(path, '/') + 1;

    return *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int device_read(const struct place *place, struct device *device, struct error *err)
{
    struct place path = place_member(place, "path");
    unsigned major_ = 0, minor_ = 0;
    uint32_t mode, uid, gid;
    mode_t type = 0;
    bool has_mode;

    if (place_needs(place, "path", err) < 0 || place_text(place, "path", &device->path, err) < 0 ||
        type_read(place, &type, err) < 0 || number_read(place, "major", type, &major_, err) < 0 ||
        number_read(place, "minor", type, &minor_, err) < 0 ||
        place_u32(place, "fileMode", &mode, &has_mode, err) < 0 ||
        place_u32(place, "uid", &uid, NULL, err) < 0 ||
        place_u32(place, "gid", &gid, NULL, err) < 0)
        return -1;
    if (device->path[0] != '/')
        return place_failure(&path, err, "is \"%.100s\", must be absolute", device->path);
    if (!names_file(device->path))
        return place_failure(&path, err, "is \"%.100s\", must name a file", device->path);
    device->mode = type | (has_mode ? mode & 07777u : 0666u);
    device->number = makedev(major_, minor_);
    device->uid = uid;
    device->gid = gid;
    return 0;
}

static bool is_listed(const struct rootfs *rootfs, const char *path)
{
    for (size_t i = 0; i < rootfs->device_count; i++)
        if (strcmp(rootfs->devices[i].path, path) == 0)
            return true;
    return false;
}

int devices_read(struct rootfs *rootfs, struct error *err)
{
    struct place linux_ = place_member(rootfs->want.document, "linux");
    struct place list = place_member(&linux_, "devices");
    size_t count;

    if (place_count(&list, &count, err) < 0)
        return -1;
    rootfs->devices =
        arena_alloc(rootfs->arena, (count + COUNT_OF(standard)) * sizeof(*rootfs->devices));
    for (size_t i = 0; i < count; i++) {
        struct place place = place_element(&list, i);

        if (device_read(&place, &rootfs->devices[i], err) < 0)
            return -1;
        rootfs->device_count++;
    }
    for (size_t i = 0; i < COUNT_OF(standard); i++)
        if (!is_listed(rootfs, standard[i].path))
            rootfs->devices[rootfs->device_count++] =
                (struct device){ .path = standard[i].path,
                                 .mode = S_IFCHR | 0666,
                                 .number = makedev(standard[i].major, standard[i].minor) };
    return 0;
}

/* ---- nodes ------------------------------------------------------------------------ */

/* Where it lies, and its name there; nearly always that is the folder that is open already. */
static int folder_of(const struct rootfs *rootfs, const char *path, const char **name)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    bool made;

    *name = slash + 1;
    if ((size_t)(slash - path) >= sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return inside_make(rootfs->root, folder[0] != '\0' ? folder : "/", true, &made);
}

static bool is_device(const struct stat *st, const struct device *device)
{
    if ((st->st_mode & S_IFMT) != (device->mode & S_IFMT))
        return false;
    return S_ISFIFO(st->st_mode) || st->st_rdev == device->number;
}

/* runtime-spec: what is there and is something else is an error. */
static int existing_check(int folder, const char *name, const struct device *device,
                          struct error *err)
{
    struct stat st;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "device %s", device->path);
    if (is_device(&st, device))
        return 0;
    return error_set(err, ERROR_ALREADY_EXISTS,
                     "device %s: something else is there in the root file system", device->path);
}

static int node_make(int folder, const char *name, const struct device *device, struct error *err)
{
    if (mknodat(folder, name, device->mode, device->number) < 0)
        return errno == EEXIST ? existing_check(folder, name, device, err) : -1;
    if ((device->uid != 0 || device->gid != 0) &&
        fchownat(folder, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "owner of device %s", device->path);
    return 0;
}

static int target_of_bind(int folder, const char *name)
{
    int file = openat(folder, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0666);

    if (file >= 0)
        return file;
    return errno == EEXIST ? openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
}

static int node_bind(int folder, const char *name, const struct device *device, struct error *err)
{
    CLEANUP(fd_drop) int tree = -1;
    CLEANUP(fd_drop) int target = -1;
    struct stat st, there;

    tree = open_tree(AT_FDCWD, device->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || fstat(tree, &st) < 0)
        return error_sys(err, errno, "device %s of the host", device->path);
    if (!is_device(&st, device))
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "device %s: the host has another one under this name", device->path);
    target = target_of_bind(folder, name);
    if (target < 0 || fstat(target, &there) < 0)
        return error_sys(err, errno, "device %s", device->path);
    if (!S_ISREG(there.st_mode))
        return existing_check(folder, name, device, err);
    return mount_attach(tree, target) < 0 ? error_sys(err, errno, "device %s", device->path) : 0;
}

static int device_make(const struct rootfs *rootfs, int dev, const struct device *device,
                       struct error *err)
{
    const char *name = device->path + strlen("/dev/");
    CLEANUP(fd_drop) int own = -1;
    int folder = dev;

    if (strcmp(device->path, "/dev/ptmx") == 0)
        return 0; /* a link, below */
    if (strncmp(device->path, "/dev/", strlen("/dev/")) != 0 || strchr(name, '/') != NULL) {
        own = folder = folder_of(rootfs, device->path, &name);
        if (own < 0)
            return error_sys(err, errno, "folder of device %s", device->path);
    }
    if (rootfs->want.new_user && !S_ISFIFO(device->mode))
        return node_bind(folder, name, device, err);
    err->code = ERROR_NONE;
    if (node_make(folder, name, device, err) == 0)
        return 0;
    if (err->code != ERROR_NONE)
        return -1;
    if (errno == EPERM && !S_ISFIFO(device->mode)) /* somebody else's user namespace */
        return node_bind(folder, name, device, err);
    return error_sys(err, errno, "device %s", device->path);
}

/* ---- links ------------------------------------------------------------------------ */

static int links_make(int dev, struct error *err)
{
    static const struct {
        const char *to, *name;
    } links[] = {
        { "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" },
        { "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
        { "pts/ptmx", "ptmx" },          { "/proc/kcore", "core" },
    };
    size_t count = COUNT_OF(links) - (access("/proc/kcore", F_OK) < 0);

    for (size_t i = 0; i < count; i++) {
        if (symlinkat(links[i].to, dev, links[i].name) == 0)
            continue;
        if (errno != EEXIST)
            return error_sys(err, errno, "link /dev/%s", links[i].name);
        if (strcmp(links[i].name, "ptmx") != 0)
            continue;
        /* one of another devpts, perhaps the host's */
        if (unlinkat(dev, "ptmx", 0) < 0 || symlinkat(links[i].to, dev, "ptmx") < 0)
            return error_sys(err, errno, "link /dev/ptmx");
    }
    return 0;
}

int devices_make(const struct rootfs *rootfs, struct error *err)
{
    CLEANUP(fd_drop) int dev = -1;
    bool made;

    if (rootfs->dev_is_bound)
        return 0;
    dev = inside_make(rootfs->root, "/dev", true, &made);
    if (dev < 0)
        return error_sys(err, errno, "/dev");
    for (size_t i = 0; i < rootfs->device_count; i++)
        if (device_make(rootfs, dev, &rootfs->devices[i], err) < 0)
            return -1;
    return links_make(dev, err);
}
