/* What filter.c and listener.c share. */
#ifndef RUNTIME_FILTER_PARTS_H
#define RUNTIME_FILTER_PARTS_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "platform/linux/runtime/filter.h"

#define WAIT_KILLABLE_RECV (1u << 5) /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */

/* In memory that parent and child share.  The pages of the program are touched when there is one.
 */
struct filter_shared {
    unsigned count; /* of instructions */
    int listener;   /* the descriptor + 1, in the child; < 0: -errno of the loading */
    int is_sent;    /* the child may go on */
    struct sock_filter program[BPF_MAXINSNS];
};

struct filter {
    struct arena *arena;
    struct place linux_, seccomp;
    const char *action;
    unsigned number; /* of the default action */
    unsigned flags;
    const char *metadata;
    int socket;  /* to the listener; -1: there is none */
    int loading; /* eventfd: the child is about to load */
    struct filter_shared *shared;
};

/* NULL behind the last; by the alphabet. */
const char *filter_flag_word(size_t index);
unsigned filter_flag(size_t index);

/* listenerPath and listenerMetadata; connects. */
int listener_read(struct filter *filter, struct error *err);
int listener_load(struct filter *filter, const struct sock_fprog *program, struct error *err);
void listener_close(struct filter *filter);

#endif
