/*
 * daemon — the actor that speaks for the whole.
 *
 *      serves   protocol/schema/daemon.def
 *      asks     images, to make anew what is found wrong; by jobs
 *      emits    nothing
 *      owns     nothing; reads what others wrote: stats, and their tables for counts and checks
 */
#ifndef ACTORS_DAEMON_DAEMON_H
#define ACTORS_DAEMON_DAEMON_H

#include "actors/base/actor.h"
#include "actors/base/db.h"
#include "actors/base/job.h"

struct daemon_config {
    const char *root;     /* state that lasts */
    const char *state;    /* state until the next boot */
    const char *database;
    const char *instance;
    bool embedded;
    int64_t started;      /* ns since 1970 */
    const struct setting *settings;
    size_t setting_count;
    const char *const *warnings; /* ends with NULL; may be NULL */
};

struct daemon_self {
    const struct daemon_config *config;
    struct db *db;    /* read-only */
    zsock_t *engine;  /* PUSH inproc://engine: "shutdown" */
};

extern const struct actor daemon_actor; /* self: struct daemon_self */

/* check.c: rows against files, records against the journal.  May take a second longer where
   something is found, to see whether it stays. */
int daemon_check(struct job *job, struct db *db, const struct daemon_config *config,
                 const struct daemon_check_request *want, struct daemon_check_reply *reply, struct error *err);

#endif
