/*
 * See self.h.
 *
 * Measured with a program of 1.4 MB: the copy takes 0.45 ms and as much memory as the
 * program has (more than a small container's limit), the mount 0.02 ms and none.  But the mount is
 * taken down when its descriptor is closed, for which the kernel waits until no processor
 * can see it any longer (synchronize_rcu, 0.2 to 1 ms): so it is not closed by exec, but
 * later, by self_let_go(), while the container's first process is at work.
 */
#include "platform/linux/runtime/self.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

extern char **environ;

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static char **words; /* how we were started */
static int held = -1;

/* Nobody can write through a read-only mount, or into a sealed file. */
static bool is_out_of_reach(void)
{
    struct statfs fs;
    CLEANUP(file_close) int self = -1;

    if (statfs("/proc/self/exe", &fs) < 0)
        return false;
    if ((fs.f_flags & ST_RDONLY) != 0)
        return true;
    if (fs.f_type != 0x01021994) /* tmpfs, which memfds are of (statfs(2)) */
        return false;
    self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return self >= 0 && fcntl(self, F_GET_SEALS) == SEALS;
}

static bool is_ourselves(int file)
{
    struct stat its, self;

    return fstat(file, &its) == 0 && stat("/proc/self/exe", &self) == 0 &&
           its.st_ino == self.st_ino && its.st_dev == self.st_dev;
}

/* The file by its path: the mount that we were started from may be of another mount
   namespace by now (the shim's), and those cannot be cloned. */
static int mount_open(void)
{
    struct mount_attr attr = { .attr_set =
                                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    int file;

    if (size < 0)
        return -1;
    path[size] = '\0';
    file = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE); /* not closed by exec */
    if (file < 0)
        return -1;
    if (is_ourselves(file) &&
        syscall(SYS_mount_setattr, file, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
        return file;
    close(file);
    return -1;
}

static int copy_open(struct error *err)
{
    CLEANUP(file_close) int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CLEANUP(file_close) int copy = memfd_create("gantry-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stat info;
    int done;

    if (self < 0 || copy < 0 || fstat(self, &info) < 0)
        return error_sys(err, errno, "copy our own program");
    for (off_t left = info.st_size; left > 0;) {
        ssize_t sent = sendfile(copy, self, NULL, (size_t)left);

        if (sent <= 0)
            return error_sys(err, sent < 0 ? errno : EIO, "copy our own program");
        left -= sent;
    }
    if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
        return error_sys(err, errno, "seal the copy of our own program");
    done = copy;
    copy = -1;
    return done;
}

/* The kernel calls what was started by descriptor /dev/fd/N (execveat(2)).  By now another file may
   have that number. */
static void held_find(void)
{
    static const char folder[] = "/dev/fd/";
    const char *name = (const char *)getauxval(AT_EXECFN);
    int file;

    if (name == NULL || strncmp(name, folder, strlen(folder)) != 0)
        return;
    file = (int)strtol(name + strlen(folder), NULL, 10);
    if (is_ourselves(file) && fcntl(file, F_SETFD, FD_CLOEXEC) == 0)
        held = file;
}

void self_let_go(void)
{
    file_close(&held);
}

int self_protect(struct error *err)
{
    CLEANUP(file_close) int program = -1;

    if (is_out_of_reach()) {
        held_find();
        return 0;
    }
    program = mount_open();
    if (program < 0)
        program = copy_open(err);
    if (program < 0)
        return -1;
    syscall(SYS_execveat, program, "", words, environ, AT_EMPTY_PATH);
    return error_sys(err, errno, "start our own program again");
}

int self_begin(char **argv, struct error *err)
{
    words = argv;
    return getpid() == 1 ? self_protect(err) : 0;
}
