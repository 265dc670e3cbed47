/* See namespaces.h. */
#include "platform/linux/runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/linux/runtime/files.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define NSFS_MAGIC 0x6e736673

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
    const char *type, *file; /* the word in config.json, the name in /proc/PID/ns */
    unsigned flag;
} kinds[NAMESPACE_COUNT] = {
    [NAMESPACE_USER] = { "user", "user", CLONE_NEWUSER },
    [NAMESPACE_PID] = { "pid", "pid", CLONE_NEWPID },
    [NAMESPACE_NETWORK] = { "network", "net", CLONE_NEWNET },
    [NAMESPACE_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
    [NAMESPACE_UTS] = { "uts", "uts", CLONE_NEWUTS },
    [NAMESPACE_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
    [NAMESPACE_TIME] = { "time", "time", CLONE_NEWTIME },
    [NAMESPACE_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
};

/* ---- reading ---------------------------------------------------------------------- */

static int kind_of(const char *type)
{
    for (int i = 0; i < NAMESPACE_COUNT; i++)
        if (strcmp(kinds[i].type, type) == 0)
            return i;
    return -1;
}

unsigned namespace_flag(const char *type)
{
    int kind = kind_of(type);

    return kind >= 0 ? kinds[kind].flag : 0;
}

const char *namespace_name(unsigned flag)
{
    for (int i = 0; i < NAMESPACE_COUNT; i++)
        if (kinds[i].flag == flag)
            return kinds[i].type;
    return NULL;
}

unsigned namespace_flag_of(enum namespace_kind kind)
{
    return kinds[kind].flag;
}

const char *namespace_file(enum namespace_kind kind)
{
    return kinds[kind].file;
}

bool namespace_is_joined(const struct place *document, enum namespace_kind kind)
{
    json_t *list = json_object_get(json_object_get(document->json, "linux"), "namespaces"), *one;
    size_t i;

    json_array_foreach (list, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));
        const char *path = json_string_value(json_object_get(one, "path"));

        if (type != NULL && strcmp(type, kinds[kind].type) == 0)
            return path != NULL && *path != '\0';
    }
    return false;
}

static bool is_our_own(int file, int kind)
{
    struct stat its, ours;
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[kind].file);
    return fstat(file, &its) == 0 && stat(path, &ours) == 0 && its.st_dev == ours.st_dev &&
           its.st_ino == ours.st_ino;
}

/* Anything may lie at a path: asking a device for its type could do harm, so it is looked at
   before it is opened for more than that. */
static int path_open(int kind, const struct place *place, const char *path, struct error *err)
{
    CLEANUP(file_close) int handle = open(path, O_PATH | O_CLOEXEC);
    struct statfs fs;
    int file, type;

    if (handle < 0)
        return place_failure(place, err, "open %s: %s", path, strerror(errno));
    if (fstatfs(handle, &fs) < 0 || (unsigned long)fs.f_type != NSFS_MAGIC)
        return place_failure(place, err, "%s is not a namespace", path);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return place_failure(place, err, "open %s: %s", path, strerror(errno));
    type = ioctl(file, NS_GET_NSTYPE);
    if (type == (int)kinds[kind].flag)
        return file;
    close(file);
    return place_failure(place, err, "%s is a namespace of type %s, not %s", path,
                       type > 0 && namespace_name((unsigned)type) ? namespace_name((unsigned)type)
                                                                  : "unknown",
                       kinds[kind].type);
}

static int one_join(struct namespaces *spaces, int kind, const struct place *place,
                    const char *path, struct error *err)
{
    if (path[0] != '/')
        return place_failure(place, err, "\"%s\" must be an absolute path", path);
    spaces->files[kind] = path_open(kind, place, path, err);
    if (spaces->files[kind] < 0)
        return -1;
    if (!is_our_own(spaces->files[kind], kind))
        spaces->joined |= kinds[kind].flag;
    return 0;
}

static int one_read(struct namespaces *spaces, unsigned *seen, const struct place *place,
                    struct error *err)
{
    struct place way = place_member(place, "path"), of = place_member(place, "type");
    const char *type, *path;
    int kind;

    if (place_needs(place, "type", err) < 0 || place_text(place, "type", &type, err) < 0 ||
        place_text(place, "path", &path, err) < 0)
        return -1;
    kind = kind_of(type);
    if (kind < 0)
        return place_failure(&of, err, "\"%s\" is no namespace that this runtime knows", type);
    if ((*seen & kinds[kind].flag) != 0)
        return place_failure(place, err, "duplicated namespace \"%s\"", type);
    *seen |= kinds[kind].flag;
    if (path != NULL && *path != '\0')
        return one_join(spaces, kind, &way, path, err);
    spaces->made |= kinds[kind].flag;
    return 0;
}

static int offset_add(struct namespaces *spaces, const struct place *offsets, const char *clock,
                      struct error *err)
{
    struct place place = place_member(offsets, clock);
    size_t used = strlen(spaces->offsets);
    uint32_t nanoseconds;
    int64_t seconds;

    if (strcmp(clock, "monotonic") != 0 && strcmp(clock, "boottime") != 0)
        return place_failure(&place, err, "only monotonic and boottime have offsets");
    if (place_i64(&place, "secs", &seconds, NULL, err) < 0 ||
        place_u32(&place, "nanosecs", &nanoseconds, NULL, err) < 0)
        return -1;
    snprintf(spaces->offsets + used, sizeof(spaces->offsets) - used, "%s %lld %u\n", clock,
             (long long)seconds, nanoseconds);
    return 0;
}

static int offsets_read(struct namespaces *spaces, const struct place *linux_, struct error *err)
{
    struct place offsets = place_member(linux_, "timeOffsets");
    const char *clock;
    json_t *value;

    if (offsets.json != NULL && !json_is_object(offsets.json))
        return place_failure(&offsets, err, "must be an object");
    if (json_object_size(offsets.json) > 0 && (spaces->made & CLONE_NEWTIME) == 0)
        return place_failure(&offsets, err, "needs a new time namespace in linux.namespaces");
    json_object_foreach ((json_t *)(uintptr_t)offsets.json, clock, value)
        if (offset_add(spaces, &offsets, clock, err) < 0)
            return -1;
    return 0;
}

int namespaces_read(struct namespaces *spaces, const struct place *linux_, struct error *err)
{
    struct place list = place_member(linux_, "namespaces");
    unsigned seen = 0;
    size_t count;

    if (place_count(&list, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct place one = place_element(&list, i);

        if (one_read(spaces, &seen, &one, err) < 0)
            return -1;
    }
    return offsets_read(spaces, linux_, err);
}

void namespaces_close(struct namespaces *spaces)
{
    for (int i = 0; i < NAMESPACE_COUNT; i++)
        file_close(&spaces->files[i]);
    file_close(&spaces->process);
}

/* ---- joining ---------------------------------------------------------------------------- */

/* Those at paths.  With rights over them all the user namespace is last but for the mounts; what
   belongs to the user namespace itself is not ours to join before we are in it. */
static int files_join(const struct namespaces *spaces, unsigned which, struct error *err)
{
    unsigned left = spaces->joined & which & ~(unsigned)CLONE_NEWUSER;
    int first = (spaces->joined & which & CLONE_NEWUSER) != 0 ? 0 : 1;

    for (int round = first == 1 ? 1 : 0; round < 2; round++) {
        if (round == 1 && first == 0 && setns(spaces->files[NAMESPACE_USER], CLONE_NEWUSER) < 0)
            return error_sys(err, errno, "join the user namespace");
        for (int i = 0; i < NAMESPACE_COUNT; i++) {
            if ((left & kinds[i].flag) == 0)
                continue;
            if (setns(spaces->files[i], (int)kinds[i].flag) == 0)
                left &= ~kinds[i].flag;
            else if (errno != EPERM || round == 1)
                return error_sys(err, errno, "join the %s namespace", kinds[i].type);
        }
    }
    return 0;
}

static int join(struct namespaces *spaces, unsigned which, struct error *err)
{
    which &= spaces->joined;
    if (which == 0)
        return 0;
    if (spaces->process < 0)
        return files_join(spaces, which, err);
    if (setns(spaces->process, (int)which) < 0)
        return error_sys(err, errno, "join the container's namespaces");
    return 0;
}

/* ---- making the process ------------------------------------------------------------------ */

/* Like fork(): the child goes on behind the call, with copies of everything. */
static pid_t clone_process(unsigned flags, bool as_sibling, int cgroup)
{
    struct clone_args args = { .flags = flags, .exit_signal = as_sibling ? 0 : SIGCHLD };

    if (as_sibling)
        args.flags |= CLONE_PARENT;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int clone_failed(struct error *err)
{
    error_sys(err, errno, "make a process in new namespaces");
    if (errno == ENOSPC || errno == EUSERS)
        error_hint(err, "the limits are in /proc/sys/user");
    return -1;
}

/* The one that goes ahead: joins, makes the process beside itself, tells its number and ends. */
static int ahead_run(struct namespaces *spaces, int cgroup, int tell)
{
    struct error err = { 0 };
    pid_t pid = -1;

    if (join(spaces, ~0u, &err) == 0) {
        spaces->is_joined = true;
        pid = clone_process(spaces->made & (CLONE_NEWUSER | CLONE_NEWPID), true, cgroup);
        if (pid < 0)
            clone_failed(&err);
    }
    if (pid == 0)
        return close(tell);
    err.os = pid; /* what else there is to say is in the text */
    _exit(write(tell, &err, sizeof(err)) != sizeof(err));
}

static int clone_ahead(struct namespaces *spaces, int cgroup, pid_t *pid, struct error *err)
{
    struct error said;
    int ends[2];
    pid_t ahead;
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, errno, "pipe");
    ahead = clone_process(0, false, -1);
    if (ahead == 0) {
        close(ends[0]);
        return ahead_run(spaces, cgroup, ends[1]);
    }
    close(ends[1]);
    got = ahead < 0 ? -1 : read(ends[0], &said, sizeof(said));
    close(ends[0]);
    if (ahead > 0)
        waitpid(ahead, NULL, 0);
    if (ahead < 0 || got != sizeof(said))
        return error_sys(err, ahead < 0 ? errno : EIO, "make a process that joins namespaces");
    if (said.os < 0) {
        *err = said;
        return -1;
    }
    *pid = said.os;
    return 1;
}

/* A pid namespace is joined by children: so we join it for as long as it takes to make one. */
static int clone_into_pid(struct namespaces *spaces, int cgroup, pid_t *pid, struct error *err)
{
    CLEANUP(file_close) int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

    if (own < 0)
        return error_sys(err, errno, "open /proc/self/ns/pid");
    if (join(spaces, CLONE_NEWPID, err) < 0) {
        int os = err->os;

        return os == EPERM ? clone_ahead(spaces, cgroup, pid, err) : -1;
    }
    *pid = clone_process(0, false, cgroup);
    if (*pid == 0)
        return 0;
    if (*pid < 0)
        clone_failed(err);
    if (setns(own, CLONE_NEWPID) < 0)
        return error_sys(err, errno, "return to our own pid namespace");
    return *pid < 0 ? -1 : 1;
}

int namespaces_clone(struct namespaces *spaces, int cgroup, pid_t *pid, struct error *err)
{
    bool is_user_joined = (spaces->joined & CLONE_NEWUSER) != 0 && spaces->process < 0;

    if (is_user_joined || ((spaces->made & CLONE_NEWUSER) != 0 && spaces->joined != 0))
        return clone_ahead(spaces, cgroup, pid, err);
    if ((spaces->joined & CLONE_NEWPID) != 0)
        return clone_into_pid(spaces, cgroup, pid, err);
    *pid = clone_process(spaces->made & (CLONE_NEWUSER | CLONE_NEWPID), false, cgroup);
    if (*pid < 0)
        return clone_failed(err);
    return *pid == 0 ? 0 : 1;
}

/* ---- in the process ------------------------------------------------------------------------ */

/* Offsets can be set as long as nobody is inside (time_namespaces(7)); we are, from then on. */
static int time_enter(const struct namespaces *spaces, struct error *err)
{
    CLEANUP(file_close) int file = -1;

    if ((spaces->made & CLONE_NEWTIME) == 0)
        return 0;
    if (unshare(CLONE_NEWTIME) < 0)
        return error_sys(err, errno, "make a time namespace");
    if (spaces->offsets[0] != '\0' &&
        file_set("/proc/self/timens_offsets", spaces->offsets, err) < 0)
        return error_wrap(err, "linux.timeOffsets");
    file = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    if (file < 0 || setns(file, CLONE_NEWTIME) < 0)
        return error_sys(err, errno, "enter the time namespace");
    return 0;
}

int namespaces_enter(struct namespaces *spaces, struct error *err)
{
    unsigned left = spaces->made & (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS);

    if (!spaces->is_joined && join(spaces, ~(unsigned)CLONE_NEWPID, err) < 0)
        return -1;
    if (time_enter(spaces, err) < 0)
        return -1;
    if (left != 0 && unshare((int)left) < 0)
        return error_sys(err, errno, "make namespaces");
    return 0;
}

int namespaces_enter_cgroup(const struct namespaces *spaces, struct error *err)
{
    if ((spaces->made & CLONE_NEWCGROUP) != 0 && unshare(CLONE_NEWCGROUP) < 0)
        return error_sys(err, errno, "make a cgroup namespace");
    return 0;
}
