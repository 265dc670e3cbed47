/*
 * namespaces — which ones a process gets: new ones, those at a path, or those of a process.
 *
 * One clone3() makes the process.  What it must have from birth (user, pid) is asked of that call;
 * the rest it takes itself (namespaces_enter), while its parent goes on: making a network namespace
 * alone takes half a millisecond.  A user namespace that is joined has to
 * be entered before the others are made in it, and one that is made after the others were joined:
 * then a short-lived process goes ahead, and its child is made ours (CLONE_PARENT).
 */
#ifndef RUNTIME_NAMESPACES_H
#define RUNTIME_NAMESPACES_H

#include <sys/types.h>

#include "platform/linux/runtime/place.h"

enum namespace_kind {
    NAMESPACE_USER,
    NAMESPACE_PID,
    NAMESPACE_NETWORK,
    NAMESPACE_IPC,
    NAMESPACE_UTS,
    NAMESPACE_CGROUP,
    NAMESPACE_TIME,
    NAMESPACE_MOUNT,
    NAMESPACE_COUNT
};

struct namespaces {
    unsigned made;   /* CLONE_NEW...: made for it */
    unsigned joined; /* not ours, but there already */
    int process;     /* of which the joined ones are (a pidfd); -1: `files` */
    int files[NAMESPACE_COUNT];
    bool is_joined;    /* in the process: all of `joined` is done */
    char offsets[256]; /* for /proc/PID/timens_offsets */
};

#define NAMESPACES_NONE                                            \
    {                                                              \
        .process = -1, .files = { -1, -1, -1, -1, -1, -1, -1, -1 } \
    }

/* linux.namespaces and linux.timeOffsets.  What has a path is opened, and must be of its type; our
   own namespace at a path counts as neither made nor joined. */
int namespaces_read(struct namespaces *spaces, const struct place *linux_, struct error *err);
void namespaces_close(struct namespaces *spaces); /* for CLEANUP() */

/* The flags of names like "pid", as linux.namespaces has them; 0: there is none. */
unsigned namespace_flag(const char *type);
const char *namespace_name(unsigned flag);
unsigned namespace_flag_of(enum namespace_kind kind);
/* By what the document says, whatever is at its path. */
bool namespace_is_joined(const struct place *document, enum namespace_kind kind);
const char *namespace_file(enum namespace_kind kind); /* its name in /proc/PID/ns, and criu's */

/* 1: *pid is our child; 0: we are the child; -1.  `cgroup` is a folder (version 2) or -1. */
int namespaces_clone(struct namespaces *spaces, int cgroup, pid_t *pid, struct error *err);
/* In the child, with the rights of the new user namespace: all but the cgroup namespace. */
int namespaces_enter(struct namespaces *spaces, struct error *err);
/* When it is in its control groups. */
int namespaces_enter_cgroup(const struct namespaces *spaces, struct error *err);

#endif
