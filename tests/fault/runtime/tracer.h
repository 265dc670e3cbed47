/*
 * tracer — one command of the runtime, of which one system call fails.
 *
 * The runtime and all its processes are traced, up to the execve of somebody else's program: a
 * hook's, the container's.  Which call is to fail is the k-th of the p-th process; so the same call
 * fails whatever the processes' order in time.  It is not made at all and answers `error`; or the
 * process is killed there.
 */
#ifndef FAULT_TRACER_H
#define FAULT_TRACER_H

#include <stdbool.h>
#include <sys/types.h>

#define PROCESSES 32

struct traced {
    pid_t pid;
    int calls; /* entered so far */
    bool free; /* executes a program of somebody else */
};

struct run {
    const char *const *words; /* the command */
    int process, call;        /* what is to fail; call 0: nothing */
    int error;                /* 0: the call is its process's last */
    /* Told when the runtime itself has ended, whoever else is there; may set `helper`.  Or NULL. */
    void (*ended)(struct run *run);
    pid_t helper; /* a command that is to end as well */

    struct traced traced[PROCESSES];
    int count;
    pid_t first;       /* the runtime itself, while it runs */
    long failed;       /* number of the call that failed, -1: none did */
    pid_t failing;     /* who is in it */
    bool reached;      /* execve of the program in the container has succeeded */
    int status;        /* the runtime's, 128 + the signal that ended it */
    const char *wrong; /* for who judges it */
};

/* Returns when all its processes have ended, but for what `ended` left.  What went wrong, or NULL:
   who did not end by himself a few seconds after the runtime has. */
const char *run_once(struct run *run);
/* Once, before all. */
void tracer_begin(void);

#endif
