/*
 * daemon — the actor that speaks for the whole.
 *
 *      serves   protocol/schema/daemon.def
 *      asks     images, to make anew what is found wrong; by jobs
 *      emits    /daemon/check, after an unclean stop
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
    bool unclean;  /* the one before was not stopped */
    bool new_boot; /* the machine was started since */
};

struct self_check {
    int64_t ended; /* 0: not yet */
    uint64_t checked, findings;
};

struct daemon_self {
    const struct daemon_config *config;
    struct db *db;    /* read-only */
    zsock_t *engine;  /* PUSH inproc://engine: "shutdown" */
    struct loop *loop;
    struct self_check check;
};

extern const struct actor daemon_actor; /* self: struct daemon_self */

/* check.c: rows against files, records against the journal.  May take a second longer where
   something is found, to see whether it stays. */
int daemon_check(struct job *job, struct db *db, const struct daemon_config *config,
                 const struct daemon_check_request *want, struct daemon_check_reply *reply, struct error *err);

/* self_check.c: one that starts by itself where the last stop was none. */
void self_check_soon(struct daemon_self *daemon);
void self_check_describe(const struct daemon_self *daemon, struct daemon_info_reply *reply);

#endif
