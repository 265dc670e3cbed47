/*
 * scopes — what a token is for: a set of words such as repository:library/busybox:pull.
 *
 * Registries list them in any order and more than once.  Brought into one order, each once, two
 * lists that mean the same are the same text: that is what a kept token is found by.
 */
#ifndef ACTORS_IMAGES_REGISTRY_SCOPES_H
#define ACTORS_IMAGES_REGISTRY_SCOPES_H

#include <stdbool.h>
#include <stddef.h>

#define SCOPES_SIZE 512 /* as text with its NUL; a challenge has no longer ones */
#define SCOPES_MAX  64  /* words */

/* The words of `text`, which blanks separate, in order and once each.  false: too many or too
   long ones. */
bool scopes_sort(const char *text, char out[SCOPES_SIZE]);

/* The next word at *at, its size in `size`; NULL at the end.  Moves *at behind it. */
const char *scopes_next(const char **at, size_t *size);

#endif
