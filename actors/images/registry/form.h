/*
 * form — application/x-www-form-urlencoded: what a token service is POSTed.
 *
 * It holds passwords, so its memory is taken once, for the longest there is, and wiped at the end:
 * growing would leave copies behind.
 */
#ifndef ACTORS_IMAGES_REGISTRY_FORM_H
#define ACTORS_IMAGES_REGISTRY_FORM_H

#include <stdbool.h>
#include <stddef.h>

#define FORM_SIZE (128u << 10)

struct form {
    char *text; /* with its NUL; NULL: no memory */
    size_t used;
    bool full; /* something did not fit: of no use */
};

void form_open(struct form *form);
void form_drop(struct form *form); /* wipes; for CLEANUP() */

void form_add(struct form *form, const char *key, const char *value);

#endif
