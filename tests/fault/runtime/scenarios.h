/*
 * scenarios — the commands of the runtime whose calls fail, and what must hold afterwards.
 *
 *      run, create             either it has done what it was told, or nothing is left of it
 *      start                   the container runs, or can be started still, or only deleted
 *      delete                  whatever it got done: a second one does the rest
 *      kill                    the container ends, or is there for a second one
 *      exec                    nothing of it is left, the container is unharmed, and a further one
 * works
 *
 * When the command was killed `delete --force` must take away whatever there is.
 */
#ifndef FAULT_SCENARIOS_H
#define FAULT_SCENARIOS_H

#include <stddef.h>

#include "tracer.h"
#include "world.h"

struct scenario {
    const char *name;
    const char *const *words; /* as runtime_run() has them */
    /* The container as the command finds it. */
    void (*prepare)(enum kind kind);
    void (*ended)(struct run *run);
    /* What is wrong now that all has ended, or NULL; `what` names it. */
    const char *(*judge)(struct run *run, char *what, size_t size);
    bool brief; /* nearly all its calls are another's as well: one kind of container, one error */
};

extern const struct scenario scenarios[]; /* the last one has no name */

#endif
