/*
 * confine — what the process gives up before it reads a stranger's bytes.
 *
 * Of the file system it keeps one folder and a read-only view of the parents, in
 * a mount namespace of its own where nothing else exists; of root's powers, those
 * over owners and modes; of the system calls, those that this program makes.
 */
#ifndef UNPACK_CONFINE_H
#define UNPACK_CONFINE_H

#include <stddef.h>

#include "protocol/error.h"

struct confined {
    int folder; /* the layer folder (or where the users go, or a volume's) */
    int lower;  /* the merged parents, or the root to look at; -1 without */
    int lock;   /* held while the process lives; -1 without */
};

/* Closes what was inherited.  First of all. */
int confine_descriptors(struct error *err);
/* Takes the lock of the layer folder. */
int confine_lock(const char *folder, struct confined *confined, struct error *err);
/* The same, waiting for who has it: the helper of a daemon that was killed works on. */
int confine_lock_wait(const char *folder, struct confined *confined, struct error *err);
/* The mount namespace; afterwards / holds two folders, `folder` and `lower`. */
int confine_mounts(const char *folder, char *const *lowers, size_t count, struct confined *confined,
                   struct error *err);
/* The same with the root file system that `mounts` (mounts_text.h) describe in place of the
   parents; it is only looked at. */
int confine_root(const char *folder, const char *mounts, struct confined *confined,
                 struct error *err);
/* Capabilities and limits; afterwards threads may be started. */
int confine_powers(struct error *err);
/* The system call filter, for all threads.  There is no way back from here. */
int confine_calls(struct error *err);

#endif
