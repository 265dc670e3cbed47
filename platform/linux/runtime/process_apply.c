/*
 * The process becomes what its spec says.
 *
 * The happy path is: what takes privileges (keyring, memory policy, scheduling, labels), then
 * no_new_privs, then the loss of privileges (bounding set, groups, user, capabilities), then what
 * has to be seen with the eyes of the new user (working directory, program).  The filter comes as
 * late as it can: with no_new_privs behind everything, else while CAP_SYS_ADMIN is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"
#include "protocol/oci/capabilities.h"

/* ---- from the parent ----------------------------------------------------------- */

static int set_oom_score(const struct process_spec *spec, pid_t pid, struct error *err)
{
    char path[64], text[16];
    int file, size;
    ssize_t written;

    if (!spec->has_oom_score)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    size = snprintf(text, sizeof(text), "%d", spec->oom_score);
    file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return error_sys(err, errno, "process.oomScoreAdj: %s", path);
    written = write(file, text, (size_t)size);
    if (written < 0)
        error_sys(err, errno, "process.oomScoreAdj: failed to update %s to %d", path,
                  spec->oom_score);
    close(file);
    if (written < 0 && err->os == EACCES)
        error_hint(err, "to lower it takes CAP_SYS_RESOURCE, which this host does not give");
    return written < 0 ? -1 : 0;
}

int process_limit(const struct process_spec *spec, pid_t pid, struct error *err)
{
    if (set_oom_score(spec, pid, err) < 0)
        return -1;
    return rlimits_raise(spec, pid, err);
}

/* ---- the working directory ------------------------------------------------------ */

static void close_it(const int *file)
{
    if (*file >= 0)
        close(*file);
}

/* The root is the container's already, but with the host's processes in its /proc a link of it
   could still lead out. */
static int open_folder(const char *path)
{
    const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                  .resolve = RESOLVE_NO_MAGICLINKS };

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* Cuts `path` behind `length` bytes, opens it, and makes what is missing of it. */
static int make_folder(char *path, size_t length)
{
    CLEANUP(close_it) int parent = -1;
    size_t above;
    int folder;

    while (length > 0 && path[length - 1] == '/')
        length--;
    path[length] = '\0';
    folder = open_folder(length > 0 ? path : "/");
    if (folder >= 0 || errno != ENOENT || length == 0)
        return folder;
    for (above = length; path[above - 1] != '/';) /* it begins with one */
        above--;
    parent = make_folder(path, above);
    path[strlen(path)] = '/'; /* where that cut it */
    if (parent < 0 || (mkdirat(parent, path + above, 0755) < 0 && errno != EEXIST))
        return -1;
    return open_folder(path);
}

int process_cwd_make(const struct process_spec *spec, struct error *err)
{
    CLEANUP(close_it) int folder = -1;
    char path[PATH_MAX];

    if (access(spec->cwd, F_OK) == 0)
        return 0;            /* if it is no directory, chdir will say so */
    strcpy(path, spec->cwd); /* process_read() has seen that it fits */
    folder = make_folder(path, strlen(path));
    return folder < 0 ? error_sys(err, errno, "process.cwd: mkdir %s", spec->cwd) : 0;
}

/* With our eyes first: the directory may be closed to the user and open to root, and the
   reverse (a network file system), as in runc. */
static int enter_cwd(const struct process_spec *spec, bool again, bool *entered, struct error *err)
{
    char words[64];
    int os;

    if (*entered || chdir(spec->cwd) == 0) {
        *entered = true;
        return 0;
    }
    os = errno;
    if (!again && (os == EPERM || os == EACCES))
        return 0;
    error_sys(err, os, "x");
    error_set(err, err->code, "process.cwd: chdir to cwd (\"%s\") set in config.json failed: %s",
              spec->cwd, error_words(os, words));
    err->os = os;
    return -1;
}

/* The kernel's word, as libc would hide it: a directory that was reached by a leaked descriptor
   is "(unreachable)/..." (CVE-2024-21626). */
static int check_cwd(struct error *err)
{
    char path[PATH_MAX];
    long size = syscall(SYS_getcwd, path, sizeof(path));

    if (size > 0 && path[0] == '/')
        return 0;
    if (size < 0 && errno != ENOENT)
        return error_sys(err, errno, "process.cwd: getcwd");
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "process.cwd: current working directory is outside of container mount "
                     "namespace root -- possible container breakout detected");
}

/* ---- descriptors ---------------------------------------------------------------- */

static int close_others(const struct process_settings *settings, struct error *err)
{
    unsigned first = 3 + settings->keep_fds;

    for (unsigned fd = 3; fd < first; fd++)
        if (fcntl((int)fd, F_SETFD, 0) < 0)
            return error_sys(err, errno, "descriptor %u, which is to be passed on", fd);
    if (syscall(SYS_close_range, first, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return error_sys(err, errno, "close_range");
    return 0;
}

static void tell_descriptors(struct process_spec *spec, const struct process_settings *settings)
{
    if (settings->listen_fds == 0)
        return;
    env_put(spec, "LISTEN_FDS=%u", settings->listen_fds);
    env_put(spec, "LISTEN_PID=1"); /* sd_listen_fds(3) */
}

/* ---- the steps ------------------------------------------------------------------- */

static int use_privileges(const struct process_spec *spec, const struct process_settings *settings,
                          struct error *err)
{
    if (settings->keyring != NULL && keyring_join(settings->keyring, err) < 0)
        return -1;
    if (personality_apply(spec, err) < 0 || memory_policy_apply(spec, err) < 0 ||
        labels_apply(spec, err) < 0)
        return -1;
    if (spec->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_sys(err, errno, "process.noNewPrivileges");
    return schedule_apply(spec, err);
}

/* Whether the filter is loaded as the last thing before the program: that takes one of two
   things, and a listener's parent is there only now. */
static bool filter_can_wait(const struct process_spec *spec, const struct filter *filter)
{
    bool may = spec->no_new_privs || (spec->capabilities.effective & CAP_SET(SYS_ADMIN)) != 0;

    return may && !filter_has_listener(filter);
}

static int load_early(const struct process_spec *spec, struct filter *filter, struct error *err)
{
    if (filter == NULL || filter_can_wait(spec, filter))
        return 0;
    if (!spec->no_new_privs && capabilities_raise(err) < 0)
        return -1;
    return filter_load(filter, err);
}

static int drop_privileges(const struct process_spec *spec, struct filter *filter,
                           struct error *err)
{
    bool entered = false;

    if (enter_cwd(spec, false, &entered, err) < 0 || capabilities_bound(spec, err) < 0 ||
        user_become(spec, err) < 0)
        return -1;
    if (enter_cwd(spec, true, &entered, err) < 0 || check_cwd(err) < 0 ||
        rlimits_apply(spec, err) < 0)
        return -1;
    /* a listener may answer any call, so nothing but the program may be left to do behind it */
    if (!spec->no_new_privs && load_early(spec, filter, err) < 0)
        return -1;
    return capabilities_apply(spec, err);
}

int process_settle(struct process_spec *spec, const struct process_settings *settings,
                   struct error *err)
{
    if (use_privileges(spec, settings, err) < 0 || close_others(settings, err) < 0)
        return -1;
    tell_descriptors(spec, settings);
    env_put_home(spec);
    if (drop_privileges(spec, settings->filter, err) < 0 || program_locate(spec, err) < 0)
        return -1;
    return spec->no_new_privs ? load_early(spec, settings->filter, err) : 0;
}

int process_exec(const struct process_spec *spec, struct filter *filter, struct error *err)
{
    enum error_code code;
    char words[64];
    int os;

    if (filter != NULL && filter_can_wait(spec, filter) && filter_load(filter, err) < 0)
        return -1;
    execve(spec->path, (char *const *)spec->args.items, (char *const *)spec->env.items);
    os = errno;
    code = os == ENOENT || os == ENOTDIR ? ERROR_NOT_FOUND : ERROR_PERMISSION_DENIED;
    error_set(err, code, "exec %s: %s", spec->path, error_words(os, words));
    err->os = os;
    return -1;
}
