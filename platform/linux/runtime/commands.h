/*
 * commands — what the command line can be asked for: one function each.
 *
 * A command prints what it is asked for to standard output.  It returns an exit status, or -1
 * with the error that is then reported (and the status is 1).
 */
#ifndef RUNTIME_COMMANDS_H
#define RUNTIME_COMMANDS_H

#include "platform/linux/runtime/options.h"

typedef int command_run(const struct options *options, struct error *err);

command_run command_create, command_run_container, command_start, command_state, command_kill,
    command_delete, command_exec, command_ps, command_pause, command_resume, command_update,
    command_events, command_list, command_spec, command_features,
    command_checkpoint, command_restore;

#endif
