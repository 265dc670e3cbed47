/*
 * args — what was typed, taken apart by a table of options.
 *
 * As docker users expect it: -it is -i -t, -eA=B and -e A=B and --env=A=B are the same,
 * a flag may be given as --rm=false, `--` ends the options, and where the table says so
 * the first operand ends them too.
 */
#ifndef TOOLS_GANTRY_ARGS_H
#define TOOLS_GANTRY_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/record.h"

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,    /* one value; the last one given counts */
    OPTION_LIST,    /* any number of values */
    OPTION_REFUSED, /* known elsewhere, not here: `doc` says why; `value` when it takes one */
};

struct option {
    char letter;      /* 0: none */
    const char *name; /* without dashes */
    enum option_kind kind;
    const char *value; /* as help shows it, e.g. NAME; NULL for flags */
    const char *doc;
};

struct command;

struct given {
    const struct option *option;
    const char *value; /* "true" or "false" for flags */
};

struct args {
    const struct command *command;
    struct given *given; /* in order */
    size_t given_count;
    struct strs operands;
};

/*
 * Takes `argv` apart by the options of `command` (NULL: only the global ones, and the
 * first operand ends them) and the global ones.  All lives in the arena.
 * INVALID_ARGUMENT names what is wrong; the number of operands is checked too.
 */
int args_parse(const struct command *command, int argc, char **argv, struct arena *arena,
               struct args *args, struct error *err);

/* Asking for an option that the table does not know ends the program: a bug. */
bool args_flag(const struct args *args, const char *name);
bool args_has(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name); /* NULL: not given */
struct strs args_list(const struct args *args, const char *name, struct arena *arena);

/* Values with a form; not given leaves *out and gives 0, given 1, malformed -1. */
int args_size(const struct args *args, const char *name, uint64_t *out, struct error *err);
int args_u64(const struct args *args, const char *name, uint64_t *out, struct error *err);
int args_i64(const struct args *args, const char *name, int64_t *out, struct error *err);
int args_f64(const struct args *args, const char *name, double *out, struct error *err);

#endif
