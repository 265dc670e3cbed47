/*
 * state — what is known of a container between two commands: the folder <root>/<id>.
 *
 *      state.json   who and what it is; written before anything outside the folder is made,
 *                   so that whoever finds the folder can remove all that there is
 *      config.json  the bundle's, as it was: later edits have no effect (RUN-3)
 *      pid          "PID START": the first process, and when it began (proc(5), stat, field 22),
 *                   which tells it from a later process with the same number
 *      start        the socket on which a created container waits; gone once it was started
 *
 * Nothing in it changes but by these files coming and going, so a reader needs no lock.
 * Who decides something (create, start, delete) holds the folder's flock, which the kernel
 * drops when he dies.
 */
#ifndef RUNTIME_STATE_H
#define RUNTIME_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/error.h"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };

#define STATE_ID_MAX 255

struct state {
    char id[STATE_ID_MAX + 1];
    const char *root;
    int folder;       /* -1: none */
    json_t *document; /* state.json; NULL: not there yet */
    pid_t pid;        /* 0: none yet */
    uint64_t started; /* as proc(5) has it */
};

#define STATE_NONE   \
    {                \
        .folder = -1 \
    }

int id_check(const char *id, struct error *err);

/* The folder of a new container, locked.  ALREADY_EXISTS. */
int state_new(struct state *state, const char *root, const char *id, struct error *err);
/* That of one that is there.  NOT_FOUND: "container does not exist".  DATA_LOSS: its state.json is
   damaged; all else is there, for who wants to remove it. */
int state_open(struct state *state, const char *root, const char *id, struct error *err);
int state_lock(struct state *state,
               struct error *err); /* waits; NOT_FOUND when it is gone by then */
void state_unlock(struct state *state);
void state_close(struct state *state); /* for CLEANUP(); drops the lock */

/* Writes state->document, and the configuration beside it. */
int state_save(const struct state *state, const char *config, size_t size, struct error *err);
/* The document alone, of a container that is there: never half of it. */
int state_note(const struct state *state, struct error *err);
int state_pid_save(struct state *state, pid_t pid, struct error *err);
/* The configuration; the caller json_decref()s it. */
json_t *state_config(const struct state *state, struct error *err);
/* Removes the folder; what is not there is no error. */
int state_remove(struct state *state, struct error *err);

enum status state_status(const struct state *state);
const char *status_name(enum status status);
/* A pidfd of the first process; FAILED_PRECONDITION when it has ended. */
int state_pidfd(const struct state *state, struct error *err);

/* When a process began; 0: there is none, or it is a zombie. */
int process_began(pid_t pid, uint64_t *began, struct error *err);

const char *state_text(const struct state *state, const char *key); /* of state.json, or "" */
unsigned state_number(const struct state *state, const char *key);

/* Calls for every container below `root`, in order of their names. */
int state_each(const char *root, int (*each)(void *ctx, struct state *state, struct error *err),
               void *ctx, struct error *err);

/* What `state` prints and hooks are given, all of runc's fields; the caller json_decref()s it. */
json_t *state_describe(const struct state *state, enum status status, pid_t pid);

#endif
