/* asks — a question on its way, and who handles it: see the table in asks.c. */
#ifndef SHIM_ASKS_H
#define SHIM_ASKS_H

#include "platform/linux/shim/shim.h"

struct asking {
    struct shim *shim;
    struct client *client;
    struct asker asker;
    const struct shim_ask *ask;
    struct process *process; /* the one it is about */
    struct arena *arena;
};

/* 0: answered, or will be when a command has ended; -1: the error is the answer. */
typedef int ask_handler(struct asking *asking, struct error *err);

ask_handler on_start, on_exec;  /* starts.c */
ask_handler on_still;           /* still.c */
ask_handler on_delete, on_quit; /* ends.c */

#endif
