/* The command spec: a config.json to begin with, the same that runc writes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/commands.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

static const struct {
    const char *destination, *type, *source, *options;
} mounts[] = {
    { "/proc", "proc", "proc", NULL },
    { "/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k" },
    { "/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5" },
    { "/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k" },
    { "/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev" },
    { "/sys", "sysfs", "sysfs", "nosuid noexec nodev ro" },
    { "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro" },
};

/* A plain user's devpts has no group 5, and his sysfs is the host's, bound. */
static json_t *mount_draft(size_t i, bool rootless)
{
    json_t *mount = draft_object();
    const char *options = mounts[i].options;
    bool is_sys = strcmp(mounts[i].destination, "/sys") == 0;

    draft_put(mount, "destination", draft_text(mounts[i].destination));
    draft_put(mount, "type", draft_text(rootless && is_sys ? "none" : mounts[i].type));
    draft_put(mount, "source", draft_text(rootless && is_sys ? "/sys" : mounts[i].source));
    if (rootless && strcmp(mounts[i].destination, "/dev/pts") == 0)
        options = "nosuid noexec newinstance ptmxmode=0666 mode=0620";
    if (rootless && is_sys)
        options = "rbind nosuid noexec nodev ro";
    if (options != NULL)
        draft_put(mount, "options", draft_words(options));
    return mount;
}

static json_t *mounts_draft(bool rootless)
{
    json_t *list = draft_array();

    for (size_t i = 0; i < COUNT_OF(mounts); i++)
        draft_add(list, mount_draft(i, rootless));
    return list;
}

static json_t *process_draft(void)
{
    static const char words[] = "CAP_AUDIT_WRITE CAP_KILL CAP_NET_BIND_SERVICE";
    json_t *process = draft_object(), *user = draft_object(), *sets = draft_object();
    json_t *limits = draft_array(), *limit = draft_object();

    draft_put(process, "terminal", draft_bool(true));
    draft_put(user, "uid", draft_number(0));
    draft_put(user, "gid", draft_number(0));
    draft_put(process, "user", user);
    draft_put(process, "args", draft_words("sh"));
    draft_put(process, "env",
              draft_words(
                  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=xterm"));
    draft_put(process, "cwd", draft_text("/"));
    draft_put(sets, "bounding", draft_words(words));
    draft_put(sets, "effective", draft_words(words));
    draft_put(sets, "permitted", draft_words(words));
    draft_put(process, "capabilities", sets);
    draft_put(limit, "type", draft_text("RLIMIT_NOFILE"));
    draft_put(limit, "hard", draft_number(1024));
    draft_put(limit, "soft", draft_number(1024));
    draft_add(limits, limit);
    draft_put(process, "rlimits", limits);
    draft_put(process, "noNewPrivileges", draft_bool(true));
    return process;
}

static json_t *named(const char *key, const char *words)
{
    json_t *list = draft_words(words), *out = draft_array(), *word;
    size_t i;

    json_array_foreach (list, i, word) {
        json_t *one = draft_object();

        draft_put(one, key, draft_copy(word));
        draft_add(out, one);
    }
    json_decref(list);
    return out;
}

static json_t *map_draft(uint32_t id)
{
    json_t *map = draft_object(), *list = draft_array();

    draft_put(map, "containerID", draft_number(0));
    draft_put(map, "hostID", draft_number(id));
    draft_put(map, "size", draft_number(1));
    draft_add(list, map);
    return list;
}

/* No device but those that the runtime makes. */
static json_t *resources_draft(void)
{
    json_t *resources = draft_object(), *devices = draft_array(), *device = draft_object();

    draft_put(device, "allow", draft_bool(false));
    draft_put(device, "access", draft_text("rwm"));
    draft_add(devices, device);
    draft_put(resources, "devices", devices);
    return resources;
}

static json_t *linux_draft(bool rootless)
{
    json_t *section = draft_object();

    if (rootless) {
        draft_put(section, "uidMappings", map_draft(geteuid()));
        draft_put(section, "gidMappings", map_draft(getegid()));
    } else {
        draft_put(section, "resources", resources_draft());
    }
    draft_put(section, "namespaces",
              named("type", rootless ? "pid ipc uts mount cgroup user"
                                     : "pid network ipc uts mount cgroup"));
    draft_put(section, "maskedPaths",
              draft_words("/proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats "
                          "/proc/timer_list /proc/timer_stats /proc/sched_debug /sys/firmware "
                          "/sys/devices/virtual/powercap /proc/scsi"));
    draft_put(section, "readonlyPaths",
              draft_words("/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"));
    return section;
}

static json_t *spec_draft(bool rootless)
{
    json_t *spec = draft_object(), *root = draft_object();

    draft_put(spec, "ociVersion", draft_text("1.2.0"));
    draft_put(spec, "process", process_draft());
    draft_put(root, "path", draft_text("rootfs"));
    draft_put(root, "readonly", draft_bool(true));
    draft_put(spec, "root", root);
    draft_put(spec, "hostname", draft_text("gantry"));
    draft_put(spec, "mounts", mounts_draft(rootless));
    draft_put(spec, "linux", linux_draft(rootless));
    return spec;
}

int command_spec(const struct options *options, struct error *err)
{
    json_t *spec;
    int file, result;

    if (options->bundle != NULL && chdir(options->bundle) < 0)
        return error_sys(err, errno, "chdir %s", options->bundle);
    file = open("config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno == EEXIST)
        return error_set(err, ERROR_ALREADY_EXISTS, "file config.json exists. Remove it first");
    if (file < 0)
        return error_sys(err, errno, "make config.json");
    spec = spec_draft(options->rootless_spec);
    result = json_dumpfd(spec, file, JSON_INDENT(4));
    json_decref(spec);
    if (close(file) < 0 || result < 0)
        return error_set(err, ERROR_INTERNAL, "write config.json");
    return 0;
}
