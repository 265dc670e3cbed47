/* authorities — several files of certificates (PEM) as one text, for a library that takes one. */
#ifndef ACTORS_IMAGES_REGISTRY_AUTHORITIES_H
#define ACTORS_IMAGES_REGISTRY_AUTHORITIES_H

#include "protocol/error.h"

#define AUTHORITIES_MAX (4u << 20) /* bytes of all */

/* `files` one a line.  `out` is free()d by the caller.  FAILED_PRECONDITION: one that holds no
 * certificate. */
int authorities_read(const char *files, char **out, struct error *err);

#endif
