/* See standing.h. */
#include "platform/linux/runtime/standing.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* By number, libc's two included: libc refuses to be asked about them. */
void standing_begin(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid(); /* fails when we lead a session already: as good */
}

/* /dev/null is everybody's already, and is the host's.  Where it cannot be done (a read-only file
   system, an owner that is not mapped) the descriptors work as before. */
void standing_own(uid_t uid)
{
    for (int i = 0; i < 3; i++) {
        struct stat info;

        if (fstat(i, &info) < 0 || info.st_uid == uid ||
            (S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3)))
            continue;
        if (fchown(i, uid, (gid_t)-1) < 0)
            continue; /* see above */
    }
}
