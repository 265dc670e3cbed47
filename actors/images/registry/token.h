/*
 * token — asks a token service for a token.
 *
 * With something secret (name and password, or an identity token) by POST of a form as OAuth 2 has
 * it; where the service knows no POST, or only says 401, by GET with Basic.  For everybody's
 * token by GET alone.  Either way the answer is {"token": "...", "expires_in": 60}, or
 * access_token in token's place.
 *
 * The realm is whatever the registry names, so it is looked at first: a registry that is asked over
 * https cannot send us to a service that is not; nothing secret goes without TLS to another machine
 * than the one that the user allowed that for; a POST is not redirected, a GET leaves what is
 * secret behind when it changes the host, and its answer is bounded.
 */
#ifndef ACTORS_IMAGES_REGISTRY_TOKEN_H
#define ACTORS_IMAGES_REGISTRY_TOKEN_H

#include "actors/images/registry/auth.h"
#include "actors/images/registry/challenge.h"
#include "actors/images/registry/scopes.h"

struct token {
    char *text;      /* printable ASCII: fit for a header */
    char *identity;  /* for the next time, in place of the password; or NULL */
    int64_t expires; /* monotonic ns */
};
void token_free(struct token *token); /* wipes */

/* Whom to ask, and for what. */
struct token_place {
    char realm[1024];
    char service[256];
    char scopes[SCOPES_SIZE];
    char key[1024 + 256 + SCOPES_SIZE]; /* all three: one token is as good as another */
};

/* What the challenge says, completed by what the request says.  UNAUTHENTICATED: it leads nowhere,
   or to where what is secret may not go. */
int token_place(struct token_place *place, const struct auth_request *request,
                const struct challenge *challenge, struct error *err);

enum auth_result token_fetch(struct token *token, struct http *http,
                             const struct auth_request *request, const struct token_place *place,
                             const struct registry_caller *caller, struct error *err);

/* The service's answer.  UNAUTHENTICATED: no JSON, no token, or one that fits no header. */
int token_parse(const char *json, size_t size, int64_t now, struct token *token, struct error *err);

#endif
