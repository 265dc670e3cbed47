/* task — starting and following a container's process; what run, start, attach and exec share. */
#ifndef TOOLS_GANTRY_TASK_H
#define TOOLS_GANTRY_TASK_H

#include "tools/gantry/attach.h"
#include "tools/gantry/command.h"

/* tasks.create, tasks.start, without anybody attached. */
int task_start_detached(struct cli *cli, const char *id, struct error *err);

/*
 * Creates the task on hold, attaches, starts and follows it; the exit status of this
 * program, -1 with `err` otherwise.  cli->failure becomes 126 or 127 when the command could
 * not be executed or found.
 */
int task_run_attached(struct cli *cli, const struct attach *attach, struct error *err);

/* What an error of starting a process means for the exit status: 125, 126 or 127. */
int task_failure(const struct cli *cli, const struct error *err);

/* --sig-proxy, --detach-keys as given. */
void task_attach_options(const struct args *args, struct attach *attach);

#endif
