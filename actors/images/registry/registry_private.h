/* registry_private — what the files of the registry client share. */
#ifndef ACTORS_IMAGES_REGISTRY_PRIVATE_H
#define ACTORS_IMAGES_REGISTRY_PRIVATE_H

#include <stdatomic.h>

#include "actors/images/registry.h"
#include "actors/images/registry/auth.h"
#include "actors/images/registry/client_certs.h"
#include "actors/images/registry/http.h"
#include "actors/images/registry/registry_errors.h"
#include "actors/images/registry/retry.h"

#define LINES_KEPT 16

struct registry {
    struct registry_options options; /* its strings are ours */
    char host[HOST_TEXT_SIZE];       /* spoken to */
    struct auth auth;
    struct client_certs *certs; /* NULL: it is shown none */
    atomic_bool told;           /* which of them it is shown */
    atomic_bool open;           /* nobody was given something: what is not there is not hidden */
    atomic_bool answered;       /* it exists: losing it now may pass */
    atomic_bool warned;         /* its Warning was told */
    atomic_bool opens_only;     /* a POST opens a session, whatever comes along with it */
    /* Connections nobody uses at the moment.  Taking one is an exchange with NULL, so no thread
       waits for another; one that finds no room when it comes back is closed. */
    _Atomic(struct http *) lines[LINES_KEPT];
};

/* A connection for the time of one call. */
struct line {
    struct registry *registry;
    struct http *http;
};
int line_take(struct registry *registry, struct line *line, struct error *err);
void line_drop(struct line *line); /* for CLEANUP() */

#endif
