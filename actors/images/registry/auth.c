/* auth — a list of credentials that only grows while the registry is open: no lock for readers. */
#include "actors/images/registry/auth.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/challenge.h"
#include "actors/images/registry/token.h"
#include "actors/images/registry_options.h"
#include "platform/platform.h"

#define TURN_MS 10 /* so often it is looked whether somebody else has got the token */

struct credential {
    struct credential *next; /* the older one */
    bool basic;              /* else a token */
    bool users;
    int64_t expires;    /* monotonic ns; Basic never does */
    const char *token;  /* these three lie in `text` */
    const char *wanted; /* scopes of the requests it is sent with first */
    const char *key;    /* service and scopes it was got for */
    size_t size;
    char text[];
};

static void secret_free(char *secret)
{
    if (secret != NULL)
        memory_wipe(secret, strlen(secret));
    free(secret);
}

void auth_close(struct auth *auth)
{
    struct credential *credential = atomic_exchange(&auth->newest, NULL);

    while (credential != NULL) {
        struct credential *older = credential->next;

        memory_wipe(credential->text, credential->size);
        free(credential);
        credential = older;
    }
    secret_free(atomic_exchange(&auth->identity, NULL));
}

/* ---- the list ---------------------------------------------------------------- */

static bool is_good(const struct credential *credential)
{
    return credential->basic || credential->expires >= clock_monotonic();
}

const struct credential *auth_current(struct auth *auth, const char *scopes)
{
    const struct credential *at = atomic_load(&auth->newest);

    while (at != NULL && !at->basic && strcmp(at->wanted, scopes) != 0)
        at = at->next;
    return at != NULL && is_good(at) ? at : NULL;
}

/* One that was got for the same, by whatever request; never the refused one. */
static const struct credential *find(struct auth *auth, const char *key,
                                     const struct credential *refused)
{
    const struct credential *at = atomic_load(&auth->newest);

    while (at != NULL && (at->basic || strcmp(at->key, key) != 0))
        at = at->next;
    return at != NULL && at != refused && is_good(at) &&
                   (refused == NULL || strcmp(at->token, refused->token) != 0)
               ? at
               : NULL;
}

void credential_use(const struct credential *credential, const struct registry_options *options,
                    struct http_request *get)
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

bool credential_is_users(const struct credential *credential)
{
    return credential != NULL && credential->users;
}

static const char *add_text(struct credential *credential, const char *text)
{
    char *place = credential->text + credential->size;
    size_t size = strlen(text) + 1;

    memcpy(place, text, size);
    credential->size += size;
    return place;
}

static int keep(struct auth *auth, const struct credential *of, struct error *err)
{
    size_t size = strlen(of->token) + strlen(of->wanted) + strlen(of->key) + 3;
    struct credential *credential = calloc(1, sizeof(*credential) + size);

    if (credential == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a token");
    credential->basic = of->basic;
    credential->users = of->users;
    credential->expires = of->expires;
    credential->token = add_text(credential, of->token);
    credential->wanted = add_text(credential, of->wanted);
    credential->key = add_text(credential, of->key);
    credential->next = atomic_load(&auth->newest);
    while (!atomic_compare_exchange_weak(&auth->newest, &credential->next, credential))
        ;
    return 0;
}

/* ---- Basic --------------------------------------------------------------------- */

static enum auth_result refuse_basic(const struct auth_request *request, struct error *err)
{
    const struct registry_options *options = request->options;
    const struct errand *errand = request->errand;

    if (options->username != NULL) {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s refuses this user name and password",
                  errand->what, errand->host);
    } else {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s wants a user name and password%s",
                  errand->what, errand->host,
                  options->identity_token != NULL || options->registry_token != NULL
                      ? ", and there is only a token for it"
                      : "");
        error_hint(err, "give a user name and password for %.60s: gantry login", errand->host);
    }
    return AUTH_REFUSED;
}

static enum auth_result answer_basic(struct auth *auth, const struct auth_request *request,
                                     struct error *err)
{
    const struct credential basic = {
        .basic = true, .users = true, .token = "", .wanted = "", .key = ""
    };

    if (request->options->username == NULL || (request->refused != NULL && request->refused->basic))
        return refuse_basic(request, err);
    return keep(auth, &basic, err) < 0 ? AUTH_REFUSED : AUTH_OK;
}

/* ---- Bearer -------------------------------------------------------------------- */

/* The token that the user has for this very registry; once. */
static enum auth_result use_users_token(struct auth *auth, const struct auth_request *request,
                                        struct error *err)
{
    const struct credential token = { .users = true,
                                      .expires = INT64_MAX,
                                      .token = request->options->registry_token,
                                      .wanted = request->scopes,
                                      .key = "" };

    if (request->refused != NULL) {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s refuses this token", request->errand->what,
                  request->errand->host);
        return AUTH_REFUSED;
    }
    return keep(auth, &token, err) < 0 ? AUTH_REFUSED : AUTH_OK;
}

static void keep_identity(struct auth *auth, struct token *token)
{
    secret_free(atomic_exchange(&auth->identity, token->identity));
    token->identity = NULL;
}

static enum auth_result fetch_token(struct auth *auth, struct http *http,
                                    const struct auth_request *request,
                                    const struct token_place *place,
                                    const struct registry_caller *caller, struct error *err)
{
    struct token token = { 0 };
    enum auth_result result = token_fetch(&token, http, request, place, caller, err);

    if (result == AUTH_OK) {
        const struct credential got = { .users = registry_has_secret(request->options),
                                        .expires = token.expires,
                                        .token = token.text,
                                        .wanted = request->scopes,
                                        .key = place->key };

        if (request->offline && token.identity != NULL)
            keep_identity(auth, &token);
        if (keep(auth, &got, err) < 0)
            result = AUTH_REFUSED;
    }
    token_free(&token);
    return result;
}

/* Of another request: now it is this one's too. */
static enum auth_result share(struct auth *auth, const struct credential *known, const char *scopes,
                              struct error *err)
{
    struct credential again = *known;

    again.wanted = scopes;
    return keep(auth, &again, err) < 0 ? AUTH_REFUSED : AUTH_OK;
}

/* Somebody else has got what this request needs. */
static bool is_answered(struct auth *auth, const struct auth_request *request)
{
    const struct credential *newest = auth_current(auth, request->scopes);

    return newest != NULL && newest != request->refused;
}

static enum auth_result answer_bearer(struct auth *auth, struct http *http,
                                      const struct auth_request *request,
                                      const struct token_place *place,
                                      const struct registry_caller *caller, struct error *err)
{
    const struct credential *known;
    enum auth_result result = AUTH_OK;

    while (atomic_exchange(&auth->asking, true)) {
        if (http_wait(http, TURN_MS, caller, err) < 0)
            return AUTH_REFUSED;
        if (is_answered(auth, request))
            return AUTH_OK;
    }
    known = find(auth, place->key, request->refused);
    if (known != NULL)
        result = share(auth, known, request->scopes, err);
    else if (!is_answered(auth, request))
        result = fetch_token(auth, http, request, place, caller, err);
    atomic_store(&auth->asking, false);
    return result;
}

/* ---- which --------------------------------------------------------------------- */

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
    const struct challenge *bearer, *basic;
    struct challenges challenges;
    struct token_place place;

    if (is_answered(auth, request))
        return AUTH_OK;
    challenges_parse(&challenges, request->challenges);
    bearer = challenges_find(&challenges, "bearer");
    basic = challenges_find(&challenges, "basic");
    if (bearer != NULL && request->options->registry_token != NULL)
        return use_users_token(auth, request, err);
    if (bearer != NULL && token_place(&place, request, bearer, err) == 0)
        return answer_bearer(auth, http, request, &place, caller, err);
    if (basic != NULL && (bearer == NULL || request->options->username != NULL)) {
        *err = (struct error){ 0 };
        return answer_basic(auth, request, err);
    }
    return bearer != NULL ? AUTH_REFUSED : unknown_scheme(request, &challenges, err);
}
