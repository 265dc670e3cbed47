/*
 * stats — what daemon.actors tells: numbers that each actor writes and anybody reads.
 *
 * Only atomics: no lock, so a stalled actor cannot stall the one who asks how it is.
 */
#ifndef ACTORS_BASE_STATS_H
#define ACTORS_BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#define STATS_MAX 24

struct stats {
    char name[24];
    atomic_uint_fast64_t handled;
    atomic_uint_fast64_t open;
    atomic_uint_fast64_t jobs;
    atomic_uint_fast64_t queued;       /* sent to the mailbox, not yet taken; or waiting for the writer */
    atomic_int_fast64_t oldest;        /* monotonic ns when the oldest open request came, 0: none */
    atomic_uint_fast64_t slowest_us;
    _Atomic(const char *) slowest_op;
    atomic_int_fast64_t handler_since; /* monotonic ns, 0: in no handler */
};

/* A slot that stays for the life of the process; an actor of that name gets the same one again. */
struct stats *stats_of(const char *name);
struct stats *stats_at(unsigned index); /* NULL: no more */

#endif
