/* standing — how a process of the container stands when it begins: its session, its signals, and
   the three descriptors that it speaks by. */
#ifndef RUNTIME_STANDING_H
#define RUNTIME_STANDING_H

#include <sys/types.h>

/* A session of its own; no signal blocked or ignored, whatever our caller does with his. */
void standing_begin(void);
void standing_signals(void); /* in the session that we are in */
/* In the container: standard input, output and errors can be opened again by their names in /dev,
   and none is the host's /dev/null. */
void standing_own(uid_t uid);

#endif
