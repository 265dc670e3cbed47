/*
 * pty — a terminal of the container's own devpts.
 *
 * Opened as /dev/pts/ptmx with no link on the way, and seen to be what it is on its
 * descriptor; the slave comes from the master (TIOCGPTPEER, ioctl_tty(2)), not by a name that
 * could be something else by then, and it is that descriptor which is bound to /dev/console
 * (CVE-2025-52565).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "platform/linux/runtime/rootfs_parts.h"

static int plain_open(const char *path, int flags)
{
    struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
                            .resolve = RESOLVE_NO_SYMLINKS };

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* A /dev bound from the host may have the node alone. */
static int master_open(struct error *err)
{
    int master = plain_open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    struct stat st;

    if (master < 0)
        master = plain_open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0)
        return error_sys(err, errno, "terminal: /dev/pts/ptmx of the container");
    if (fstat(master, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2))
        return master;
    close(master);
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "terminal: /dev/pts/ptmx of the container is something else");
}

int rootfs_terminal(int *slave, struct error *err)
{
    int master = master_open(err), unlocked = 0;

    *slave = -1;
    if (master < 0)
        return -1;
    if (ioctl(master, TIOCSPTLCK, &unlocked) == 0)
        *slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave >= 0)
        return master;
    error_sys(err, errno, "terminal");
    close(master);
    return -1;
}

static int console_target(void)
{
    CLEANUP(fd_drop) int dev = plain_open("/dev", O_PATH | O_DIRECTORY);
    int file;

    if (dev < 0)
        return -1;
    file = openat(dev, "console", O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0600);
    if (file >= 0)
        close(file);
    else if (errno != EEXIST)
        return -1;
    return openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int console_bind(int slave, struct error *err)
{
    CLEANUP(fd_drop) int target = console_target();
    CLEANUP(fd_drop) int tree = -1;
    struct stat st;

    if (target < 0 || fstat(target, &st) < 0)
        return error_sys(err, errno, "/dev/console");
    if (S_ISLNK(st.st_mode))
        return error_set(err, ERROR_FAILED_PRECONDITION, "/dev/console is a link");
    tree = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || mount_attach(tree, target) < 0)
        return error_sys(err, errno, "bind the terminal to /dev/console");
    return 0;
}

int rootfs_console(int *slave, struct error *err)
{
    int master = rootfs_terminal(slave, err);

    if (master < 0 || console_bind(*slave, err) == 0)
        return master;
    close(master);
    close(*slave);
    *slave = -1;
    return -1;
}
