/* See standing.h. */
#include "platform/linux/runtime/standing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "platform/linux/runtime/rootfs_parts.h"

/* By number, libc's two included: libc refuses to be asked about them. */
void standing_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void standing_begin(void)
{
    standing_signals();
    setsid(); /* fails when we lead a session already: as good */
}

static bool is_null(const struct stat *info)
{
    return S_ISCHR(info->st_mode) && info->st_rdev == makedev(1, 3);
}

/* The container's own, if it has one.  What is there may change under our hands (exec), and may not
   be handed over as what it is not. */
static int null_open(void)
{
    struct stat info;
    int file;

    if (stat("/dev/null", &info) < 0 || !is_null(&info))
        return -1;
    file = inside_open(AT_FDCWD, "/dev/null", O_RDWR);
    if (file < 0 || (fstat(file, &info) == 0 && is_null(&info)))
        return file;
    close(file);
    return -1;
}

/* The host's /dev/null works as well, but is a file from outside, with which no process can be
   checkpointed; nobody has to own it. */
static void null_exchange(int file, int *null)
{
    if (*null < 0)
        *null = null_open();
    if (*null >= 0 && dup2(*null, file) < 0)
        return; /* the old one is still there */
}

/* Where it cannot be done (a read-only file system, an owner that is not mapped) the descriptors
   work as before. */
void standing_own(uid_t uid)
{
    int null = -1;

    for (int i = 0; i < 3; i++) {
        struct stat info;

        if (fstat(i, &info) < 0)
            continue;
        if (is_null(&info))
            null_exchange(i, &null);
        else if (info.st_uid != uid && fchown(i, uid, (gid_t)-1) < 0)
            continue; /* see above */
    }
    if (null > 2)
        close(null);
}
