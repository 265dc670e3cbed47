/* moment — points of time as text, without libc's time zones, which cost six system calls. */
#ifndef RUNTIME_MOMENT_H
#define RUNTIME_MOMENT_H

#include <stdbool.h>

#define MOMENT_TEXT 40

/* Now, as RFC 3339 has it, in UTC; with nanoseconds or without.  Returns `text`. */
const char *moment_now(char text[MOMENT_TEXT], bool precise);

#endif
