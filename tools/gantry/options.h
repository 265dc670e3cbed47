/* options — what was typed behind run and create, as containers.create asks for it. */
#ifndef TOOLS_GANTRY_OPTIONS_H
#define TOOLS_GANTRY_OPTIONS_H

#include "protocol/schema.h"
#include "tools/gantry/args.h"

/*
 * All texts live in the arena; reads --env-file and seccomp profiles.  INVALID_ARGUMENT
 * names the option, UNIMPLEMENTED what does not exist yet.  The name is left to the caller.
 */
int options_of_args(const struct args *args, struct containers_create_request *request,
                    struct container_options *options, struct arena *arena, struct error *err);

/* -e and --env-file, in order, variables of our own environment filled in. */
int options_env(const struct args *args, struct strs *env, struct arena *arena, struct error *err);
/* KEY or KEY=VALUE each. */
struct map options_map(const struct strs *words, struct arena *arena);
/* Operands from `first` on, KEY=VALUE each. */
int options_labels(const struct args *args, size_t first, struct map *labels, struct arena *arena,
                   struct error *err);

/* commands_diff.c: SOURCE_DATE_EPOCH, or the option --source-date-epoch, in ns.  1: one is given. */
int option_epoch(const struct args *args, int64_t *ns, struct error *err);

#endif
