/*
 * call_filter — linux.seccomp of a spec, compiled to the program that the kernel runs.
 *
 * Our own runtime does this at a start; the daemon does it once for all containers that have the
 * same filter, and hands its runtimes the program.  Names that this machine does not know are passed
 * over, as runtimes do; of an action, operator or architecture that is not known nothing is made.
 *
 * Calls that are newer than the profile: where the default is to refuse, a call with a number
 * above all that the rules name, on its architecture, answers ENOSYS, so that a libc that tries a
 * new call falls back to an old one.  (libseccomp cannot say that; it stands in front of its
 * program.  runc does the same, by the same measure.)
 */
#ifndef PLATFORM_CALL_FILTER_H
#define PLATFORM_CALL_FILTER_H

#include <stdbool.h>
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

/* Words are those of the runtime spec.  `number` goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE.
   SCMP_ACT_NOTIFY is no default: its listener could not even be told of an exec.  NULL: see err. */
struct call_filter *call_filter_new(const char *action, unsigned number, struct error *err);
void call_filter_free(struct call_filter **filter); /* for CLEANUP() */
int call_filter_arch(struct call_filter *filter, const char *arch, struct error *err);
/* All conditions have to hold; of several about the same argument, one.  Architectures come
   before rules. */
int call_filter_rule(struct call_filter *filter, const char *name, const char *action,
                     unsigned number, const struct call_condition *conditions, size_t count,
                     struct error *err);
int call_filter_program(const struct call_filter *filter, struct buffer *program,
                        struct error *err);
/* Whether a rule asks a listener: the program is to be loaded with one. */
bool call_filter_notifies(const struct call_filter *filter);
/* What the same rules may compile differently by: the library's version. */
void call_filter_version(char text[32]);

/* The words that are known, by the alphabet; NULL behind the last. */
const char *const *call_filter_actions(void);
const char *const *call_filter_operators(void);
const char *const *call_filter_archs(void);

#endif
