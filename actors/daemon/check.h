/* check — the inside of `gantry check`, shared by its files. */
#ifndef ACTORS_DAEMON_CHECK_H
#define ACTORS_DAEMON_CHECK_H

#include "actors/daemon/daemon.h"

struct check {
    struct job *job;
    struct db *db;
    const struct daemon_config *config;
    struct arena *arena;
    struct daemon_check_reply *reply;
};

/* The text of `hint` stays. */
void check_found(struct check *check, const char *what, const char *name, const char *problem, const char *hint);

/* check_layers.c: committed layers against their inventories. */
#define CHECK_LAYER "snapshot layer"
int check_layers(struct check *check, struct error *err);

/* repair.c: what was found is made anew where that is possible. */
int check_repair(struct check *check, struct error *err);

#endif
