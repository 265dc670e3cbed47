/*
 * real_registry — Debian's docker-registry as a child of the test, on a free port of 127.0.0.1, its
 * data in a folder of its own; and images pushed into it.
 */
#ifndef TESTS_HELPERS_REAL_REGISTRY_H
#define TESTS_HELPERS_REAL_REGISTRY_H

#include <stdbool.h>

#include "tests/helpers/certificate.h"
#include "tests/helpers/image_builder.h"

struct real_registry;

struct real_options {
    bool password;    /* only user "user" with password "secret" */
    bool tls;         /* with a certificate of its own */
    bool client_cert; /* and it wants one: the same */
};

/* NULL when there is no docker-registry on this machine.  Returns when it listens. */
struct real_registry *real_start(const struct real_options *options);
void real_stop(struct real_registry **registry); /* for CLEANUP() */

const char *real_host(const struct real_registry *registry); /* 127.0.0.1:PORT */
const struct certificate *real_certificate(const struct real_registry *registry);

/* Returns when its log says that a blob was asked for by HTTP/2. */
void real_await_http2(struct real_registry *registry);

/* Ends the test when the registry does not take it. */
void real_push(const struct real_registry *registry, const char *repository, const char *tag,
               const struct built_image *image);

#endif
