/*
 * freezer — a container stands still while it is copied.
 *
 * By the control group of its first process: version 2's cgroup.freeze, or version 1's
 * freezer.state.  Files are opened once, and then only read and written, so that a confined process
 * can do it.
 */
#ifndef PLATFORM_LINUX_FREEZER_H
#define PLATFORM_LINUX_FREEZER_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/error.h"

struct freezer {
    int state, events; /* -1: closed */
    bool is_old;       /* version 1 */
};

/* `id` is in the name of the container's control group: processes may lie deeper.  NOT_FOUND: there
   is no freezer. */
int freezer_open(uint64_t pid, const char *id, struct freezer *freezer, struct error *err);
bool freezer_is_frozen(const struct freezer *freezer);
/* Waits until everything stands still, some seconds at most: DEADLINE_EXCEEDED, and all goes on. */
int freezer_freeze(const struct freezer *freezer, struct error *err);
void freezer_thaw(const struct freezer *freezer);
void freezer_close(struct freezer *freezer); /* for CLEANUP(); does not thaw */

#endif
