/* files — small files, whole: those of a state folder, and those of /proc. */
#ifndef RUNTIME_FILES_H
#define RUNTIME_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

/* Makes (or replaces) a file of mode 0600 below `folder`. */
int file_put(int folder, const char *name, const void *data, size_t size, struct error *err);
/* One write to a file that is there (of /proc, say). */
int file_set(const char *path, const char *text, struct error *err);
/* The whole file, with a NUL behind it; the caller free()s it.  `folder` may be AT_FDCWD. */
char *file_get(int folder, const char *name, size_t limit, size_t *size, struct error *err);
/* Moves a descriptor out of the way of those that are handed over (3 and up); closed on exec. */
int file_lift(int *file, int least, struct error *err);

#endif
