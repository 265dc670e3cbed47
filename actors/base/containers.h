/*
 * containers — finding a container's record, for the two actors that are asked by
 * its id, its name or the beginning of its id: containers owns the rows, tasks reads them.
 */
#ifndef ACTORS_BASE_CONTAINERS_H
#define ACTORS_BASE_CONTAINERS_H

#include "actors/base/db.h"
#include "protocol/schema.h"

/*
 * Exact id, else exact name, else the one id that begins so.  `info` and the spec in it
 * live in the arena.  NOT_FOUND; INVALID_ARGUMENT when several ids begin so.
 */
int container_find(struct db *db, const char *namespace, const char *text, bool with_spec, struct arena *arena,
                   struct container_info *info, struct error *err);

/*
 * All of a container c, in the order that container_read() takes it from; the first parameter of the
 * statement says whether the spec is read.  Most do without, and it is by far the largest of them: in a
 * table of its own it does not stand between the records.
 */
#define CONTAINER_SELECT                                                                              \
    "SELECT c.record, CASE WHEN ? THEN (SELECT s.spec FROM containers_spec s"                         \
    " WHERE s.namespace = c.namespace AND s.id = c.id) END,"                                          \
    " t.status, t.reason, t.pid, t.exit_status, t.started, t.exited FROM containers_container c"      \
    " LEFT JOIN tasks_task t ON t.namespace = c.namespace AND t.id = c.id"

/* A row of that: the record, the spec if it was wanted, and what the task is at. */
int container_read(struct query *query, struct arena *arena, struct container_info *info, struct error *err);

#endif
