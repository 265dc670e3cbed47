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

/* Decodes the columns `record`, `spec` (may be null). */
int container_read(struct query *query, int record, int spec, struct arena *arena, struct container_info *info,
                   struct error *err);

/* Fills in what the task is at: status, pid, exit status, times (columns of tasks_task). */
void container_read_status(struct query *query, int first, struct arena *arena, struct container_info *info);
#define CONTAINER_STATUS_COLUMNS "t.status, t.reason, t.pid, t.exit_status, t.started, t.exited"
#define CONTAINER_STATUS_JOIN    "LEFT JOIN tasks_task t ON t.namespace = c.namespace AND t.id = c.id"

#endif
