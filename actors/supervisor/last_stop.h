/*
 * last_stop — how the engine before this one has ended.
 *
 * No mark has to be written for that: the last connection to the database takes its log with it, so a
 * log that is there was left by one that was killed, or whose machine went down.  And every change notes the boot.
 */
#ifndef ACTORS_SUPERVISOR_LAST_STOP_H
#define ACTORS_SUPERVISOR_LAST_STOP_H

#include "actors/base/db.h"

struct last_stop {
    bool unclean;  /* it was not stopped */
    bool new_boot; /* the machine was started since the last change */
};

/* Before the database is opened, and when it is migrated. */
void last_stop_look(struct last_stop *last, const char *database);
int last_stop_ask(struct last_stop *last, struct db *db, struct error *err);

#endif
