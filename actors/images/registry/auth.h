/*
 * auth — what is sent along with a request, and what a 401 is answered with.
 *
 * Nothing is sent before the registry has asked.  What it asked for is then kept for all
 * requests of this registry: the threads that share it read a list that only grows
 * (newest first, freed when the registry is closed), so none of them ever waits for another.
 *
 * Two schemes are known: Basic, for which the user gave name and password, and Bearer with
 * a token that its service hands to anybody.  Name and password go to the configured host
 * only: not to a token service, not to where a redirect leads.
 */
#ifndef ACTORS_IMAGES_REGISTRY_AUTH_H
#define ACTORS_IMAGES_REGISTRY_AUTH_H

#include "actors/images/registry/http.h"
#include "actors/images/registry/registry_errors.h"

struct credential; /* lives until the registry is closed */

struct auth {
    _Atomic(struct credential *) newest;
};

void auth_close(struct auth *auth);

/* The one to send now; NULL before the registry has asked, and when it has run out. */
const struct credential *auth_current(struct auth *auth);

/* Puts it into the request (NULL: none). */
void credential_use(const struct credential *credential, const struct registry_options *options,
                    struct http_get *get);

struct auth_request {
    const struct registry_options *options;
    const struct errand *errand;
    const struct credential *refused; /* what the 401 came in answer to; NULL: nothing */
    const char *challenges;           /* WWW-Authenticate, one a line */
};

enum auth_result {
    AUTH_OK,      /* auth_current() has something new */
    AUTH_REFUSED, /* the error says why */
    AUTH_LATER    /* the token service fails, which may pass: the error says how */
};

/* Answers a 401 of the configured host; may ask a token service, on the same `http` (so the
   answer that was there is gone). */
enum auth_result auth_answer(struct auth *auth, struct http *http,
                             const struct auth_request *request,
                             const struct registry_caller *caller, struct error *err);

#endif
