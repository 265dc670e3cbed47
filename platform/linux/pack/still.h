/* still — a container's task stands still while its files are read; its shim does it, for as long as
   we are connected (shim/still.c), so nothing has to be done about it by who is killed. */
#ifndef PACK_STILL_H
#define PACK_STILL_H

#include <stdbool.h>

#include "protocol/error.h"

struct task_link; /* platform/runtime.h */

struct still {
    struct task_link *link; /* NULL: nothing to stop */
    bool must;              /* it is an error where it cannot */
    bool stands;
};

/* "may FOLDER", "must FOLDER" or "-"; connects, while the folder can be seen. */
int still_open(const char *text, struct still *still, struct error *err);
/* Waits until it stands still, some seconds at most.  DEADLINE_EXCEEDED: it does not. */
int still_begin(struct still *still, struct error *err);
void still_end(struct still *still);

#endif
