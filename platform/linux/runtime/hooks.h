/*
 * hooks — programs that the document wants run at points of a container's life.
 *
 * They run one after the other, each with the container's state on its standard input; the
 * first that fails, or takes longer than its timeout, ends the row.  A hook may ignore its
 * input, close it, or leave somebody behind: none of this holds us up.
 */
#ifndef RUNTIME_HOOKS_H
#define RUNTIME_HOOKS_H

#include "platform/linux/runtime/place.h"

enum hook_kind {
    HOOK_PRESTART,
    HOOK_CREATE_RUNTIME,
    HOOK_CREATE_CONTAINER,
    HOOK_START_CONTAINER,
    HOOK_POSTSTART,
    HOOK_POSTSTOP,
    HOOK_COUNT
};

int hooks_check(const struct place *document, struct error *err);
bool hooks_are_there(const struct place *document, enum hook_kind kind);
/* `state` is what state_describe() made.  Every one is run with `all`, even behind one that
   failed (the last failure is the error). */
int hooks_run(const struct place *document, enum hook_kind kind, const json_t *state, bool all,
              struct error *err);

#endif
