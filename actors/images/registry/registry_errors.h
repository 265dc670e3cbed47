/*
 * registry_errors — what a registry's refusal means, in words and in a code.
 *
 * A refusal names three things: what was wanted, by whom it was refused, and what that one
 * said (the spec's {"errors": [...]}, or the beginning of whatever else came).  Foreign
 * text is made printable ASCII on one line first: it ends on terminals and in logs.
 */
#ifndef ACTORS_IMAGES_REGISTRY_ERRORS_H
#define ACTORS_IMAGES_REGISTRY_ERRORS_H

#include "actors/images/registry/http.h"
#include "protocol/oci/shown.h"

#define HOST_TEXT_SIZE 280

/* The host[:port] of an address, for messages.  Returns `out`. */
const char *host_text(const char *url, char out[HOST_TEXT_SIZE]);

/* What the caller was after. */
struct errand {
    const char *what; /* "image docker.io/library/busybox:latest" */
    const char *host; /* the configured one */
    bool plain_http;
    bool had_credentials; /* the refused request carried some, be they anonymous */
    bool had_username;    /* and they were the user's */
    bool by_token;        /* or a token that those were good for */
    bool redirected;      /* it is another host that refuses; it gets no credentials */
};

/*
 * Sets the error for an answer that is not the wanted one.  Code by status: 401
 * UNAUTHENTICATED, 403 PERMISSION_DENIED, 404 NOT_FOUND, 429 RESOURCE_EXHAUSTED, 408 and 5xx
 * UNAVAILABLE, others UNKNOWN unless the registry's own code says more.  Always -1.
 */
int registry_refused(const struct errand *errand, const struct http_answer *answer,
                     struct error *err);

/* The same for an attempt that ended without an answer (BROKEN, UNREACHED, FAILED).  err->os is set
   where there was no connection. */
int registry_unanswered(const struct errand *errand, const struct http_answer *answer,
                        struct error *err);

/* The registry's own words: "MANIFEST_UNKNOWN: manifest unknown"; "" when there are none.
   `code` gets the first code of the list ("" when the body is no such list). */
void registry_words(const struct http_answer *answer, char *out, size_t room, char code[48]);

#endif
