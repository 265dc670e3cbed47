/*
 * tasks — the actor that knows what runs.
 *
 *      serves   protocol/schema/tasks.def
 *      asks     snapshots (mounts of a root file system), containers (removal, for --rm); by jobs
 *      emits    /tasks/create, start, exit, delete, exec-added, exec-started, oom
 *      owns     <state>/t (the shims' folders) and the tasks_* tables
 *
 * What runs is supervised by shims that outlive the daemon; this actor holds one
 * connection to each, passes questions on and keeps what the shims tell.  No answer
 * waits for the disk: the shim's folder is the state, the table is what is left of it
 * after a reboot, and events join the next commit.
 */
#ifndef ACTORS_TASKS_TASKS_H
#define ACTORS_TASKS_TASKS_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct runtime_path {
    const char *name; /* runc, crun, ... */
    const char *path; /* program; NULL: looked up by its name */
};

struct tasks_config {
    const char *root;
    const char *state;
    const char *database;
    const char *default_runtime;
    const struct runtime_path *runtimes; /* ends with a NULL name */
    uint64_t log_size;  /* bytes of a log file before it is rotated */
    uint64_t log_files; /* kept */
};

struct tasks; /* actors/tasks/task.h */
struct tasks *tasks_new(const struct tasks_config *config);
void tasks_free(struct tasks **tasks);

extern const struct actor tasks_actor; /* self: struct tasks */
extern const struct db_schema tasks_schema;

#endif
