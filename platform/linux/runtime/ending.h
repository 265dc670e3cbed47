/* ending — how containers end: killed, and nothing left of them. */
#ifndef RUNTIME_ENDING_H
#define RUNTIME_ENDING_H

#include "platform/linux/runtime/state.h"

/* Kills every process of it, and returns when they have ended. */
int container_kill(const struct state *state, struct error *err);
/* That, then control groups, the class of caches, poststop hooks and the folder.  NOT_FOUND: somebody else was faster.
   `config` is the container's, when it is at hand, or NULL. */
int container_end(struct state *state, const json_t *config, struct error *err);
/* For who made the container and is the last to look after it: tried twice, then it is a warning.
 */
void container_end_own(struct state *state, const json_t *config);

#endif
