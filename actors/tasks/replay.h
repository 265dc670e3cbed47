/* replay — what a process wrote while a client was away, from its log; see replay.c. */
#ifndef ACTORS_TASKS_REPLAY_H
#define ACTORS_TASKS_REPLAY_H

#include "actors/base/job.h"

struct replay {
    const char *log;                   /* NULL: there is none */
    uint64_t files;                    /* log, log.1, ...: so many at most */
    int64_t since;                     /* the process's start; 0: not known */
    const struct shim_position *point; /* what is behind it comes another way; NULL: nothing does */
    uint64_t have[2];                  /* bytes of stdout and stderr that the client has */
};

/* Sends them, as far as credit goes.  What the log does not have any more is left out. */
int log_replay(struct job *job, const struct replay *want, struct error *err);

#endif
