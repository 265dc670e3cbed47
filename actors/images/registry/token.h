/*
 * token — asks a token service for a token that anybody gets.
 *
 * GET realm?service=...&scope=..., the answer {"token": "...", "expires_in": 60}.  The realm is
 * whatever the registry names, so nothing secret goes there, its answer is bounded, and a
 * registry that is asked over https cannot send us to one that is not.
 */
#ifndef ACTORS_IMAGES_REGISTRY_TOKEN_H
#define ACTORS_IMAGES_REGISTRY_TOKEN_H

#include "actors/images/registry/auth.h"
#include "actors/images/registry/challenge.h"

struct token {
    char *text;      /* printable ASCII: fit for a header */
    int64_t expires; /* monotonic ns */
};
void token_free(struct token *token);

enum auth_result token_fetch(struct token *token, struct http *http,
                             const struct auth_request *request,
                             const struct challenge *challenge,
                             const struct registry_caller *caller, struct error *err);

/* The service's answer.  UNAUTHENTICATED: no JSON, no token, or one that fits no header. */
int token_parse(const char *json, size_t size, int64_t now, struct token *token,
                struct error *err);

#endif
