/*
 * auth — what is sent along with a request, and what a 401 is answered with.
 *
 * Nothing is sent before the registry has asked.  What it asked for is then kept for all
 * requests of this registry: the threads that share it read a list that only grows
 * (newest first, freed when the registry is closed) and needs no lock.  Only one at a time asks
 * for a token; others that want one meanwhile wait for what it gets.
 *
 * Two schemes are known.  Bearer comes first where both are offered: a token is good for little and
 * for a short time, and the password goes to its service alone.  Basic sends name and password to
 * the configured host with every request.  A token is kept under service and set of scopes until it
 * runs out, and first tried for what it was got for.
 *
 * Who the user is stands in the options, or is asked (registry_caller.who) when a host does not give
 * to everybody what is wanted: so nobody's keyring is opened for what is public.  It is asked once,
 * and again when what worked does not any more.  What was got as somebody else is not used then.
 */
#ifndef ACTORS_IMAGES_REGISTRY_AUTH_H
#define ACTORS_IMAGES_REGISTRY_AUTH_H

#include <stdatomic.h>

#include "actors/images/registry/http.h"
#include "actors/images/registry/registry_errors.h"

/* These live until the registry is closed. */
struct credential;
struct user;

struct auth {
    _Atomic(struct credential *) newest;
    _Atomic(struct user *) user; /* the newest; NULL: nobody, so far */
    atomic_bool asked;           /* who the user is was asked */
    atomic_bool asking;          /* somebody does, for a token or for the user */
    _Atomic(char *) identity;    /* token for the next time that a service gave, when asked to */
};

/* With the user that the options name, if any. */
int auth_open(struct auth *auth, const struct registry_options *options, struct error *err);
void auth_close(struct auth *auth);

/* The one to send now for a request that needs `scopes` ("" for none); NULL before the registry
   has asked, and when it has run out. */
const struct credential *auth_current(struct auth *auth, const char *scopes);

/* Puts it into the request (NULL: none). */
void credential_use(const struct credential *credential, struct http_request *get);
/* It is the user's, or was got with what is the user's; else anybody gets the same. */
bool credential_is_users(const struct credential *credential);
/* The registry took it. */
void credential_was_good(const struct credential *credential);

struct auth_request {
    const struct registry_options *options;
    const struct errand *errand;
    const struct credential *refused; /* what the 401 came in answer to; NULL: nothing */
    const char *challenges;           /* WWW-Authenticate, one a line */
    const char *scopes;               /* needed, where the challenge does not say */
    bool scopes_too; /* ... and also where it says less: what comes next needs them */
    bool offline;    /* and a token for the next time is welcome */
    struct user *user;               /* auth.c's: who asks */
    const struct registry_known *who; /* ... what that one is known by; NULL: nobody */
};

enum auth_result {
    AUTH_OK,      /* auth_current() has something new */
    AUTH_REFUSED, /* the error says why */
    AUTH_WHO,     /* as AUTH_REFUSED, but somebody else may be let in */
    AUTH_LATER    /* the token service fails, which may pass: the error says how */
};

/* Answers a 401 of the configured host; may ask a token service, on the same `http` (so the
   answer that was there is gone). */
enum auth_result auth_answer(struct auth *auth, struct http *http,
                             const struct auth_request *request,
                             const struct registry_caller *caller, struct error *err);

/* Nobody, or who is known so far, is not let in: asks the caller who the user is, if that may help.
   1: there is a new one; 0: no; -1. */
int auth_ask(struct auth *auth, struct http *http, const struct auth_request *request,
             const struct registry_caller *caller, struct error *err);

#endif
