/*
 * exec_process — what `exec` is asked to run, as the `process` of a document, and in which group.
 *
 * It is the document that is changed, so that one reader (process_read) checks all of it.
 */
#ifndef RUNTIME_EXEC_PROCESS_H
#define RUNTIME_EXEC_PROCESS_H

#include <sys/types.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/options.h"

/* Puts another `process` into the container's configuration: a process.json, or its own one with
   the command line's changes. */
int exec_process_put(json_t *config, const struct options *options, struct error *err);
/* "[CONTROLLER,...:]PATH", a group that is there, below the container's own. */
int exec_group_enter(const struct cgroup *cgroup, const char *text, pid_t pid, struct error *err);

#endif
