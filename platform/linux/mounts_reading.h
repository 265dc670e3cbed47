/* mounts_reading — how a root file system is mounted by who only looks at it. */
#ifndef PLATFORM_LINUX_MOUNTS_READING_H
#define PLATFORM_LINUX_MOUNTS_READING_H

#include "protocol/schema.h"

/* The same mounts, of which nothing is written to: a folder that changes go to is the highest of
   layers instead.  So what is in use elsewhere can be looked at, and who mounts it to write next
   finds it unused. */
void mounts_for_reading(const struct list *mounts, struct list *out, struct arena *arena);

#endif
