/*
 * keyring — a session keyring for the container, so that it does not share the one of whoever
 * called us.  An exec joins the same by its name.
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"

/* keyrings(7): all to the possessor; view, read, search and link to the owner.  By default the
   owner may not search, and the user that a process becomes would find nothing in it. */
#define RIGHTS 0x3f1b0000

int keyring_join(const char *id, struct error *err)
{
    char name[128];
    long keyring;

    snprintf(name, sizeof(name), "_ses.%.100s", id);
    keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
    if (keyring < 0 && errno == ENOSYS)
        return 0; /* a kernel without keys, or a filter around us */
    if (keyring < 0)
        return error_sys(err, errno, "unable to join session keyring %s", name);
    /* who joined another's keyring may not change it; then it is as it should be */
    if (syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, RIGHTS) < 0 && errno != EACCES)
        return error_sys(err, errno, "rights of session keyring %s", name);
    return 0;
}
