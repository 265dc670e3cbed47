/* auth — lists of credentials and users that only grow while the registry is open: no lock for
 * readers. */
#include "actors/images/registry/auth.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/challenge.h"
#include "actors/images/registry/token.h"
#include "actors/images/registry_options.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define TURN_MS 10 /* so often it is looked whether somebody else has got the token */

struct user {
    struct user *older;
    struct registry_known is; /* lies in `text` */
    atomic_bool was_good;    /* something that was got with it was */
    size_t size;
    char text[];
};

struct credential {
    struct credential *next; /* the older one */
    bool basic;              /* else a token */
    struct user *user;       /* whose; NULL: anybody's */
    int64_t expires;         /* monotonic ns; Basic never does */
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

static void user_free(struct user *user)
{
    memory_wipe(user->text, user->size);
    free(user);
}

static const char *user_text(struct user *user, const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;
    char *place = user->text + user->size;

    if (size == 0)
        return NULL;
    memcpy(place, text, size);
    user->size += size;
    return place;
}

/* Becomes the newest; the turn is ours. */
static int user_add(struct auth *auth, const struct registry_known *is, struct error *err)
{
    const char *texts[] = { is->username, is->password, is->identity_token, is->registry_token };
    struct user *user;
    size_t size = 0;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        size += texts[i] != NULL ? strlen(texts[i]) + 1 : 0;
    user = calloc(1, sizeof(*user) + size);
    if (user == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for credentials");
    user->is = (struct registry_known){ .username = user_text(user, is->username),
                                       .password = user_text(user, is->password),
                                       .identity_token = user_text(user, is->identity_token),
                                       .registry_token = user_text(user, is->registry_token) };
    user->older = atomic_load(&auth->user);
    atomic_store(&auth->user, user);
    return 0;
}

int auth_open(struct auth *auth, const struct registry_options *options, struct error *err)
{
    const struct registry_known user = registry_known_of(options);

    return registry_known_any(&user) ? user_add(auth, &user, err) : 0;
}

void auth_close(struct auth *auth)
{
    struct credential *credential = atomic_exchange(&auth->newest, NULL);
    struct user *user = atomic_exchange(&auth->user, NULL);

    while (credential != NULL) {
        struct credential *older = credential->next;

        memory_wipe(credential->text, credential->size);
        free(credential);
        credential = older;
    }
    while (user != NULL) {
        struct user *older = user->older;

        user_free(user);
        user = older;
    }
    secret_free(atomic_exchange(&auth->identity, NULL));
}

/* ---- the list ---------------------------------------------------------------- */

static bool is_good(const struct credential *credential)
{
    return credential->basic || credential->expires >= clock_monotonic();
}

/* What was got as somebody else is not for this one. */
static bool is_of(const struct credential *credential, const struct user *user)
{
    return credential->user == user;
}

const struct credential *auth_current(struct auth *auth, const char *scopes)
{
    const struct user *user = atomic_load(&auth->user);
    const struct credential *at = atomic_load(&auth->newest);

    while (at != NULL && (!is_of(at, user) || (!at->basic && strcmp(at->wanted, scopes) != 0)))
        at = at->next;
    return at != NULL && is_good(at) ? at : NULL;
}

/* One that was got for the same, by whatever request; never the refused one. */
static const struct credential *find(struct auth *auth, const char *key,
                                     const struct auth_request *request)
{
    const struct credential *at = atomic_load(&auth->newest), *refused = request->refused;

    while (at != NULL && (!is_of(at, request->user) || at->basic || strcmp(at->key, key) != 0))
        at = at->next;
    return at != NULL && at != refused && is_good(at) &&
                   (refused == NULL || strcmp(at->token, refused->token) != 0)
               ? at
               : NULL;
}

void credential_use(const struct credential *credential, struct http_request *get)
{
    get->bearer = get->username = get->password = NULL;
    if (credential == NULL)
        return;
    if (!credential->basic) {
        get->bearer = credential->token;
        return;
    }
    get->username = credential->user->is.username;
    get->password = credential->user->is.password != NULL ? credential->user->is.password : "";
}

bool credential_is_users(const struct credential *credential)
{
    return credential != NULL && credential->user != NULL;
}

void credential_was_good(const struct credential *credential)
{
    if (credential_is_users(credential))
        atomic_store(&credential->user->was_good, true);
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
    credential->user = of->user;
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
    const struct registry_known *who = request->who;
    const struct errand *errand = request->errand;

    if (who != NULL && who->username != NULL) {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s refuses this user name and password",
                  errand->what, errand->host);
    } else {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s wants a user name and password%s",
                  errand->what, errand->host,
                  who != NULL ? ", and there is only a token for it" : "");
        error_hint(err, "give a user name and password for %.60s: gantry login", errand->host);
    }
    return AUTH_WHO;
}

static enum auth_result answer_basic(struct auth *auth, const struct auth_request *request,
                                     struct error *err)
{
    const struct credential basic = {
        .basic = true, .user = request->user, .token = "", .wanted = "", .key = ""
    };

    if (request->who == NULL || request->who->username == NULL ||
        (request->refused != NULL && request->refused->basic))
        return refuse_basic(request, err);
    return keep(auth, &basic, err) < 0 ? AUTH_REFUSED : AUTH_OK;
}

/* ---- Bearer -------------------------------------------------------------------- */

/* The token that the user has for this very registry; once. */
static enum auth_result use_users_token(struct auth *auth, const struct auth_request *request,
                                        struct error *err)
{
    const struct credential token = { .user = request->user,
                                      .expires = INT64_MAX,
                                      .token = request->who->registry_token,
                                      .wanted = request->scopes,
                                      .key = "" };

    if (request->refused != NULL) {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s refuses this token", request->errand->what,
                  request->errand->host);
        return AUTH_WHO;
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
        const struct credential got = { .user = request->user,
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
    known = find(auth, place->key, request);
    if (known != NULL)
        result = share(auth, known, request->scopes, err);
    else if (!is_answered(auth, request))
        result = fetch_token(auth, http, request, place, caller, err);
    atomic_store(&auth->asking, false);
    return result;
}

/* ---- who ----------------------------------------------------------------------- */

/* Never yet, or since then what was said was good for a while. */
static bool may_ask(struct auth *auth, const struct auth_request *request,
                    const struct registry_caller *caller)
{
    if (!request->options->askable || caller == NULL || caller->who == NULL)
        return false;
    return request->user != NULL ? atomic_load(&request->user->was_good)
                                 : !atomic_load(&auth->asked);
}

static int ask(struct auth *auth, const struct auth_request *request,
               const struct registry_caller *caller, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const struct registry_question question = { .host = request->options->host,
                                                .registry = registry_named(request->options),
                                                .repository = request->options->repository,
                                                .again = request->user != NULL };
    struct registry_known user = { 0 };
    int result = caller->who(caller->ctx, &question, arena, &user, err);

    if (result == 1 && registry_known_any(&user))
        result = registry_known_check(&user, err) < 0 || user_add(auth, &user, err) < 0 ? -1 : 1;
    else if (result == 1)
        result = 0;
    registry_known_wipe(&user);
    if (result < 0)
        return -1;
    atomic_store(&auth->asked, true); /* now, that others find who there is */
    if (request->user != NULL)
        atomic_store(&request->user->was_good, false);
    return result;
}

int auth_ask(struct auth *auth, struct http *http, const struct auth_request *request,
             const struct registry_caller *caller, struct error *err)
{
    int result = 0;

    if (!may_ask(auth, request, caller))
        return atomic_load(&auth->user) != request->user;
    while (atomic_exchange(&auth->asking, true))
        if (http_wait(http, TURN_MS, caller, err) < 0)
            return -1;
    if (atomic_load(&auth->user) != request->user)
        result = 1; /* somebody else has asked */
    else if (may_ask(auth, request, caller))
        result = ask(auth, request, caller, err);
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

/* As who is known now, who is nobody at first. */
static enum auth_result answer(struct auth *auth, struct http *http,
                               const struct auth_request *request,
                               const struct registry_caller *caller, struct error *err)
{
    const struct challenge *bearer, *basic;
    bool has_name = request->who != NULL && request->who->username != NULL;
    struct challenges challenges;
    struct token_place place;

    if (is_answered(auth, request))
        return AUTH_OK;
    challenges_parse(&challenges, request->challenges);
    bearer = challenges_find(&challenges, "bearer");
    basic = challenges_find(&challenges, "basic");
    if (bearer != NULL && request->who != NULL && request->who->registry_token != NULL)
        return use_users_token(auth, request, err);
    if (bearer != NULL && token_place(&place, request, bearer, err) == 0)
        return answer_bearer(auth, http, request, &place, caller, err);
    if (basic != NULL && (bearer == NULL || has_name || may_ask(auth, request, caller))) {
        *err = (struct error){ 0 };
        return answer_basic(auth, request, err);
    }
    return bearer != NULL ? AUTH_REFUSED : unknown_scheme(request, &challenges, err);
}

enum auth_result auth_answer(struct auth *auth, struct http *http,
                             const struct auth_request *request,
                             const struct registry_caller *caller, struct error *err)
{
    struct auth_request now = *request;
    char challenges[sizeof(http_answer(http)->challenges)]; /* what a token service says goes over it */

    snprintf(challenges, sizeof(challenges), "%s", request->challenges);
    now.challenges = challenges;
    for (;;) {
        enum auth_result result;
        struct error why;
        int asked;

        now.user = atomic_load(&auth->user);
        now.who = now.user != NULL ? &now.user->is : NULL;
        if (now.refused != NULL && !is_of(now.refused, now.user))
            now.refused = NULL; /* as somebody else */
        result = answer(auth, http, &now, caller, err);
        if (result != AUTH_WHO)
            return result;
        asked = auth_ask(auth, http, &now, caller, &why);
        if (asked < 0)
            *err = why;
        if (asked <= 0)
            return AUTH_REFUSED;
        *err = (struct error){ 0 };
    }
}
