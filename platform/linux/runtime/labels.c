/*
 * labels — the AppArmor profile and the SELinux label that the next exec takes on.
 *
 * Both are written into a file of /proc, and the container's own mounts decide what lies there.
 * So it is taken care that it is procfs, its root, and that nothing is mounted between that and
 * the file (CVE-2019-16884): else the label would be written somewhere else, and be none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/linux/runtime/labels.h"

#include "platform/linux/runtime/process_parts.h"
#include "platform/linux/runtime/procfs.h"
#include "platform/scope.h"

static void close_it(int *file)
{
    if (*file >= 0)
        close(*file);
}

/* ---- what the kernel has ----------------------------------------------------------- */

bool apparmor_is_enabled(void)
{
    CLEANUP(close_it)
    int file = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
    char answer = 'N';

    return file >= 0 && read(file, &answer, 1) == 1 && answer == 'Y';
}

bool selinux_is_enabled(void)
{
    struct statfs status;

    return statfs("/sys/fs/selinux", &status) == 0 && status.f_type == SELINUX_MAGIC;
}

int labels_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place apparmor = place_member(process, "apparmorProfile"),
                 selinux = place_member(process, "selinuxLabel");

    if (place_text(process, "apparmorProfile", &spec->apparmor, err) < 0 ||
        place_text(process, "selinuxLabel", &spec->selinux, err) < 0)
        return -1;
    if (spec->apparmor != NULL && spec->apparmor[0] == '\0')
        spec->apparmor = NULL;
    if (spec->selinux != NULL && spec->selinux[0] == '\0')
        spec->selinux = NULL;
    if (spec->apparmor != NULL && !apparmor_is_enabled())
        return place_failure(&apparmor, err,
                           "apparmor: config provided but apparmor not supported by the kernel");
    if (spec->selinux != NULL && !selinux_is_enabled())
        return place_failure(&selinux, err,
                           "selinux label is specified in config, but selinux is disabled or not "
                           "supported");
    return 0;
}

/* ---- files of our own in /proc ------------------------------------------------------- */

int proc_thread_open(const char *name, int flags, struct error *err)
{
    char path[64];

    snprintf(path, sizeof(path), "thread-self/%s", name);
    return procfs_open(path, flags, err);
}

static int write_text(const char *name, const char *text, struct error *err)
{
    CLEANUP(close_it) int file = proc_thread_open(name, O_WRONLY, err);

    if (file < 0)
        return -1;
    if (write(file, text, strlen(text)) < 0)
        return error_sys(err, errno, "write /proc/thread-self/%s", name);
    return 0;
}

/* Where several modules are stacked, AppArmor has a folder of its own. */
static int apply_apparmor(const char *profile, struct error *err)
{
    struct error first = { 0 };
    char text[4096];
    int size = snprintf(text, sizeof(text), "exec %s", profile);

    if (size < 0 || (size_t)size >= sizeof(text))
        return error_set(err, ERROR_INVALID_ARGUMENT, "process.apparmorProfile: too long");
    if (write_text("attr/apparmor/exec", text, &first) == 0 ||
        (first.os == ENOENT && write_text("attr/exec", text, &first) == 0))
        return 0;
    *err = first;
    return error_wrap(err, "process.apparmorProfile: unable to apply apparmor profile");
}

int labels_apply(const struct process_spec *spec, struct error *err)
{
    if (spec->apparmor != NULL && apply_apparmor(spec->apparmor, err) < 0)
        return -1;
    if (spec->selinux != NULL && write_text("attr/exec", spec->selinux, err) < 0)
        return error_wrap(err, "process.selinuxLabel");
    return 0;
}
