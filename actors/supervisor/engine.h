/*
 * engine — all actors together, in gantryd and inside a command (embedded mode).
 *
 * Starting takes the state lock first: whoever holds it is the engine, and there is
 * one at a time for a root.  Actors start in the order of a table, each after those
 * it asks, and stop in the reverse; the gateway is last to come and first to go.
 */
#ifndef ACTORS_SUPERVISOR_ENGINE_H
#define ACTORS_SUPERVISOR_ENGINE_H

#include <stdbool.h>

#include "actors/supervisor/config.h"
#include "protocol/error.h"

struct engine;

/*
 * FAILED_PRECONDITION when another process holds the lock; the error names its pid and
 * command.  Call before any other thread exists.  `config` must outlive the engine.
 */
int engine_start(const struct config *config, bool embedded, struct engine **engine, struct error *err);
void engine_stop(struct engine **engine);

/*
 * For the daemon: when a command that runs the engine itself holds the lock, asks it to
 * hand over and waits up to `wait_ms`; its containers stay with their shims.  A daemon that
 * holds the lock is not asked.
 */
int engine_take_over(const struct config *config, int64_t wait_ms, struct engine **engine, struct error *err);

/* Waits until somebody asks for the end: the descriptor is readable (a signal; -1: none) or
   daemon.shutdown came.  True: it was a client's wish. */
bool engine_wait(struct engine *engine, int signals);

/* Embedded: waits until no client but `own` (sessions of this process) is left, or as above. */
void engine_wait_clients(struct engine *engine, int signals, unsigned own);

#endif
