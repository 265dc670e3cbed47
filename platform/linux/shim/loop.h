/*
 * loop — waits for whatever happens next, and says so to whom it concerns.
 *
 * One event per turn: what a handler closes or frees can then not be among events
 * that were fetched before, and the kernel's own queue keeps the order fair.
 */
#ifndef SHIM_LOOP_H
#define SHIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "protocol/error.h"

/* Somewhere events come from; `fd` is -1 when there is nothing (any more). */
struct source {
    int fd;
    void (*on_ready)(void *owner, uint32_t events);
    void *owner;
    uint32_t watched;
    bool is_added;
};

int loop_open(struct error *err);
/* Waits for these events from now on (and for errors, which epoll always reports). */
int loop_watch(struct source *source, uint32_t events);
void loop_unwatch(struct source *source);
/* Unwatches and closes. */
void loop_close(struct source *source);
/* Handles one event, or returns after so many milliseconds (-1: waits on). */
void loop_turn(int timeout_ms);

#endif
