/* auth — a list of credentials that only grows while the registry is open: no lock for readers. */
#include "actors/images/registry/auth.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/challenge.h"
#include "actors/images/registry/token.h"
#include "platform/platform.h"

struct credential {
    struct credential *next; /* the older one */
    bool basic;              /* else a token */
    int64_t expires;         /* monotonic ns; Basic never does */
    char token[];
};

void auth_close(struct auth *auth)
{
    struct credential *credential = atomic_exchange(&auth->newest, NULL);

    while (credential != NULL) {
        struct credential *older = credential->next;

        memory_wipe(credential->token, strlen(credential->token));
        free(credential);
        credential = older;
    }
}

const struct credential *auth_current(struct auth *auth)
{
    const struct credential *credential = atomic_load(&auth->newest);

    if (credential == NULL || (!credential->basic && credential->expires < clock_monotonic()))
        return NULL;
    return credential;
}

void credential_use(const struct credential *credential, const struct registry_options *options,
                    struct http_get *get)
{
    get->bearer = get->username = get->password = NULL;
    if (credential == NULL)
        return;
    if (!credential->basic) {
        get->bearer = credential->token;
        return;
    }
    get->username = options->username;
    get->password = options->password != NULL ? options->password : "";
}

static int keep(struct auth *auth, bool basic, const char *token, int64_t expires,
                struct error *err)
{
    struct credential *credential = calloc(1, sizeof(*credential) + strlen(token) + 1);

    if (credential == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a token");
    credential->basic = basic;
    credential->expires = expires;
    memcpy(credential->token, token, strlen(token) + 1);
    credential->next = atomic_load(&auth->newest);
    while (!atomic_compare_exchange_weak(&auth->newest, &credential->next, credential))
        ;
    return 0;
}

static enum auth_result refuse_basic(const struct auth_request *request, struct error *err)
{
    const struct errand *errand = request->errand;

    if (request->options->username == NULL) {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s wants a user name and password", errand->what,
                  errand->host);
        error_hint(err, "give a user name and password for %.60s", errand->host);
    } else {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s refuses this user name and password",
                  errand->what, errand->host);
    }
    return AUTH_REFUSED;
}

static enum auth_result answer_basic(struct auth *auth, const struct auth_request *request,
                                     struct error *err)
{
    if (request->options->username == NULL || (request->refused != NULL && request->refused->basic))
        return refuse_basic(request, err);
    return keep(auth, true, "", 0, err) < 0 ? AUTH_REFUSED : AUTH_OK;
}

static enum auth_result answer_bearer(struct auth *auth, struct http *http,
                                      const struct auth_request *request,
                                      const struct challenge *challenge,
                                      const struct registry_caller *caller, struct error *err)
{
    struct token token = { 0 };
    enum auth_result result = token_fetch(&token, http, request, challenge, caller, err);

    if (result == AUTH_OK && keep(auth, false, token.text, token.expires, err) < 0)
        result = AUTH_REFUSED;
    token_free(&token);
    return result;
}

static enum auth_result unknown_scheme(const struct auth_request *request,
                                       const struct challenges *challenges, struct error *err)
{
    char scheme[40] = "nothing that can be read";

    if (challenges->count > 0)
        plain_text(challenges->items[0].scheme, strlen(challenges->items[0].scheme), scheme,
                   sizeof(scheme));
    error_set(err, ERROR_UNAUTHENTICATED, "%s: %s asks for credentials by %s",
              request->errand->what, request->errand->host, scheme);
    error_hint(err, "gantry knows Basic and Bearer");
    return AUTH_REFUSED;
}

enum auth_result auth_answer(struct auth *auth, struct http *http,
                             const struct auth_request *request,
                             const struct registry_caller *caller, struct error *err)
{
    const struct credential *newest = auth_current(auth);
    const struct challenge *bearer, *basic;
    struct challenges challenges;

    if (newest != NULL && newest != request->refused)
        return AUTH_OK; /* another thread was faster */
    challenges_parse(&challenges, request->challenges);
    bearer = challenges_find(&challenges, "bearer");
    basic = challenges_find(&challenges, "basic");
    if (basic != NULL && (bearer == NULL || request->options->username != NULL))
        return answer_basic(auth, request, err);
    if (bearer != NULL)
        return answer_bearer(auth, http, request, bearer, caller, err);
    return unknown_scheme(request, &challenges, err);
}
