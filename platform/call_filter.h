/*
 * call_filter — linux.seccomp of a spec, compiled to the program that the kernel runs.
 *
 * A runtime does this at every start; who has the program can hand it one instead.  Names that
 * this machine does not know are passed over, as runtimes do; of an action, operator or
 * architecture that is not known nothing is made, and the runtime is left to complain.
 */
#ifndef PLATFORM_CALL_FILTER_H
#define PLATFORM_CALL_FILTER_H

#include <stdint.h>

#include "protocol/error.h"
#include "protocol/record.h"

struct call_filter;

struct call_condition {
    unsigned index;          /* of the argument */
    const char *op;          /* SCMP_CMP_... */
    uint64_t value, value_2; /* SCMP_CMP_MASKED_EQ: the mask, and what is left */
};

#define CALL_CONDITIONS_MAX 6

/* Words are those of the runtime spec.  `number` goes with SCMP_ACT_ERRNO.  NULL: see err. */
struct call_filter *call_filter_new(const char *action, unsigned number, struct error *err);
void call_filter_free(struct call_filter **filter); /* for CLEANUP() */
int call_filter_arch(struct call_filter *filter, const char *arch, struct error *err);
/* All conditions have to hold; of several about the same argument, one. */
int call_filter_rule(struct call_filter *filter, const char *name, const char *action,
                     unsigned number, const struct call_condition *conditions, size_t count,
                     struct error *err);
int call_filter_program(const struct call_filter *filter, struct buffer *program,
                        struct error *err);
/* What the same rules may compile differently by: the library's version. */
void call_filter_version(char text[32]);

#endif
