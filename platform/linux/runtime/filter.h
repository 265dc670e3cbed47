/*
 * filter — linux.seccomp: the system call filter of a container, and who listens to it.
 *
 * The happy path is filter_read in the parent before the clone (flags, defaults and the listener
 * are checked), filter_compile in the parent, which may be behind the clone, while the first
 * process is busy with its mounts (and which checks the rules); then filter_load there.  The
 * program lies in memory that both share, so what the parent compiles late is there for the child,
 * which has to be told when.
 *
 * With a listener, the parent calls filter_serve() when nothing but filter_load() is left to wait
 * for.  It fetches the descriptor out of the child (pidfd_getfd(2)) and sends it away.  The child
 * makes no system call between the loading and that, so no rule can stand in the way, not even one
 * that asks the listener about `write`.
 */
#ifndef RUNTIME_FILTER_H
#define RUNTIME_FILTER_H

#include <sys/types.h>

#include "platform/linux/runtime/place.h"

struct filter;

/*
 * `program` is a file with a ready-made program (the raw instructions), which is taken instead
 * of compiling one; NULL: none.  *filter is NULL, and all is well, when there is nothing to
 * filter.  Connects to the listener, if there is one.
 */
int filter_read(const struct place *linux_, const char *program, struct filter **filter,
                struct error *err);
void filter_free(struct filter **filter); /* for CLEANUP() */

/* Does nothing where there is a program already. */
int filter_compile(struct filter *filter, struct error *err);
/* In the process: from now on it is filtered.  Needs no_new_privs, or CAP_SYS_ADMIN. */
int filter_load(struct filter *filter, struct error *err);

bool filter_has_listener(const struct filter *filter);
/* Parent: waits until `pid` has loaded the filter, and sends the listener away together with
   `state` (the container's, as `state` prints it).  FAILED_PRECONDITION when the process ends
   before. */
int filter_serve(struct filter *filter, pid_t pid, const json_t *state, struct error *err);

#endif
