/*
 * mounts_text — a list of mounts as one argument of a helper program.
 *
 * A mount is type, source, target and options, each ended by the unit separator (0x1f); after
 * the last comes a record separator (0x1e).  Paths may hold everything else.
 */
#ifndef PLATFORM_LINUX_MOUNTS_TEXT_H
#define PLATFORM_LINUX_MOUNTS_TEXT_H

#include "protocol/schema.h"

/* In the arena.  NULL: INVALID_ARGUMENT, a word holds one of the separators. */
const char *mounts_to_text(const struct list *mounts, struct arena *arena, struct error *err);
/* Records mount, in the arena. */
int mounts_from_text(const char *text, struct list *mounts, struct arena *arena, struct error *err);

#endif
