/*
 * freezer — the processes of a control group stand still: version 2's cgroup.freeze, or version 1's
 * freezer.state.
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

/* The control group of that process, or the one above it that has `id` in its name.  NOT_FOUND: there
   is none, or it has no freezer. */
int freezer_open(uint64_t pid, const char *id, struct freezer *freezer, struct error *err);
bool freezer_is_frozen(const struct freezer *freezer); /* everything stands still */
bool freezer_is_set(const struct freezer *freezer);    /* ... or is to */
/* Does not wait.  Version 1 gets stuck now and then, and goes on when it is told again. */
int freezer_freeze(const struct freezer *freezer, struct error *err);
void freezer_thaw(const struct freezer *freezer);
void freezer_close(struct freezer *freezer); /* for CLEANUP(); does not thaw */

#endif
