/*
 * self — our own program, out of reach of those who run in containers.
 *
 * A process of ours that has entered a container (an `exec`, or a container's first process before
 * it becomes the user's) is seen there, and /proc/PID/exe leads whoever is root inside to the
 * program file on the host: opened while we run, written when we have ended (CVE-2019-5736).
 * The window cannot be closed from inside: "#!/proc/self/exe" in an image makes the kernel
 * run us once more, as the container's process, whatever we checked before.
 *
 * So before anything is entered the program starts itself again from a private, read-only
 * mount of its file, which has no name anywhere: through that nobody can open it for writing.
 * Where it may not mount, from a sealed copy in memory.
 *
 * That costs as much as loading a program does, and is not needed where nobody is inside who could
 * look: a container that runs at once, in a new pid namespace, and without hooks of its own in
 * there. What is left is that it runs us once more; then we are process 1 of a pid namespace, and
 * as such we start again before we do anything else.
 */
#ifndef RUNTIME_SELF_H
#define RUNTIME_SELF_H

#include "protocol/error.h"

/* First of all: how we are started again. Process 1 is, at once. */
int self_begin(char **argv, struct error *err);
/* Comes back at once when we are out of reach already; else begins the program anew,
   and comes back only on failure. */
int self_protect(struct error *err);
/* The mount is held by a descriptor, which is inherited by children; whoever closes it last waits
   for the kernel (see self.c): so children close it first, and we when we have nothing to do. */
void self_let_go(void);

#endif
