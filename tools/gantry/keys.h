/* keys — the sequence of keys that leaves a container running: found in what is typed. */
#ifndef TOOLS_GANTRY_KEYS_H
#define TOOLS_GANTRY_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

#define KEYS_MAX 16

struct keys {
    unsigned char sequence[KEYS_MAX];
    size_t count;   /* 0: none */
    size_t matched; /* so many were typed and are held back */
};

/* "ctrl-p,ctrl-q" (also NULL), "a,ctrl-@", "": none. */
int keys_set(struct keys *keys, const char *text, struct error *err);

/*
 * Copies what goes through to `passed` (room for size + KEYS_MAX); true when the sequence is
 * complete: what follows it is dropped.
 */
bool keys_pass(struct keys *keys, const char *bytes, size_t size, char *passed, size_t *count);

#endif
