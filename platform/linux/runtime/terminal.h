/*
 * terminal — the foreground of `run` and `exec`: waits for a process, and if there is a terminal
 * of its own carries bytes, window sizes and signals between it and ours.
 */
#ifndef RUNTIME_TERMINAL_H
#define RUNTIME_TERMINAL_H

#include <sys/types.h>

#include "protocol/error.h"

/* Before the process is made: from here on signals wait until somebody attends to them. */
int foreground_prepare(struct error *err);
/* Until `pid`, our child, has ended; `master` (or -1) is closed.  Its exit status as a
   shell counts it (128 + signal); -1: see err. */
int foreground_attend(pid_t pid, int master, struct error *err);

#endif
