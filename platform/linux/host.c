/* What this machine can give a container. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "platform/platform.h"

uint64_t machine_capabilities(void)
{
    uint64_t caps = 0;

    for (int cap = 0; cap < 64; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            caps |= 1ull << cap;
    return caps;
}

int64_t machine_oom_score(void)
{
    struct error ignored;
    char *text = fs_read("/proc/self/oom_score_adj", 32, NULL, &ignored);
    int64_t score = text != NULL ? strtol(text, NULL, 10) : 0;

    free(text);
    return score;
}

bool machine_swap_limit(void)
{
    return fs_exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes") ||
           fs_exists("/sys/fs/cgroup/cgroup.controllers");
}

int machine_host_name(char name[65])
{
    return gethostname(name, 65);
}

struct devices {
    int (*each)(void *ctx, const struct machine_device *device);
    void *ctx;
    unsigned depth;
    const char *folder;
};

static bool is_left_out(const char *name)
{
    static const char *const names[] = { "pts", "shm", "fd", "mqueue", ".udev", "console", "lxc", ".lxc" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int take_device(void *ctx, const char *name, struct error *err)
{
    struct devices *devices = ctx, inner = *devices;
    struct machine_device device = { 0 };
    struct stat st;

    if (is_left_out(name) ||
        snprintf(device.path, sizeof(device.path), "%s/%s", devices->folder, name) >= (int)sizeof(device.path) ||
        lstat(device.path, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode) && devices->depth < 4) {
        struct error ignored; /* a folder that vanished, or cannot be read, has no devices for us */

        inner.folder = device.path;
        inner.depth++;
        return fs_folder_each(device.path, take_device, &inner, &ignored) < 0 && ignored.code == ERROR_CANCELLED
                   ? error_set(err, ERROR_CANCELLED, "stopped")
                   : 0;
    }
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
        return 0;
    device.type = S_ISBLK(st.st_mode) ? 'b' : 'c';
    device.major = major(st.st_rdev);
    device.minor = minor(st.st_rdev);
    device.mode = st.st_mode & 07777;
    device.uid = st.st_uid;
    device.gid = st.st_gid;
    return devices->each(devices->ctx, &device) < 0 ? error_set(err, ERROR_CANCELLED, "stopped") : 0;
}

int machine_devices_each(int (*each)(void *ctx, const struct machine_device *device), void *ctx, struct error *err)
{
    struct devices devices = { each, ctx, 0, "/dev" };

    return fs_folder_each("/dev", take_device, &devices, err);
}
