/* Files of the calling thread in /proc that are known to be the kernel's; see labels.c. */
#ifndef RUNTIME_LABELS_H
#define RUNTIME_LABELS_H

#include "protocol/error.h"

/* A descriptor of /proc/thread-self/NAME; -1 (see err) when /proc is not procfs or something is
   mounted over the file. */
int proc_thread_open(const char *name, int flags, struct error *err);

#endif
