/*
 * processes — which processes are a container's.
 *
 * Its control groups know.  A plain user's container may have none; then it is everybody in its pid
 * namespace, and in those below it.
 */
#ifndef RUNTIME_PROCESSES_H
#define RUNTIME_PROCESSES_H

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/state.h"

/* Sorted; the caller free()s *pids.  FAILED_PRECONDITION: it has neither. */
int processes_list(const struct state *state, const struct cgroup *cgroup, pid_t **pids,
                   size_t *count, struct error *err);
/* A signal to all of them; SIGKILL leaves nobody who forks away. */
int processes_signal(const struct state *state, const struct cgroup *cgroup, int number,
                     struct error *err);

#endif
