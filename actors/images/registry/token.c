/* token — the happy path is: look at the realm -> POST, or GET -> read the answer. */
#include "actors/images/registry/token.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/form.h"
#include "actors/images/registry/redirect.h"
#include "actors/images/registry_options.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define ANSWER_MAX (64u << 10)
#define CLIENT_ID  "gantry"

struct text {
    char data[ANSWER_MAX + 1];
    size_t size;
};

static void url_drop(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_text_drop(char **text)
{
    curl_free(*text);
}

static void text_drop(struct text **text)
{
    if (*text != NULL)
        memory_wipe(*text, sizeof(**text));
    free(*text);
}

/* ---- the place -------------------------------------------------------------------- */

/* The realm must be an address, and as secure as the registry's own. */
static int realm_set(CURLU *url, const char *realm, bool plain_http)
{
    CLEANUP(curl_text_drop) char *scheme = NULL;

    if (curl_url_set(url, CURLUPART_URL, realm, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        return -1;
    if (strcmp(scheme, "https") != 0 && !(plain_http && strcmp(scheme, "http") == 0))
        return -1;
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    return 0;
}

/* "registry.lan" of registry.lan:5000, "[::1]" of [::1]:5000. */
static bool is_host_of(const char *name, const char *host)
{
    size_t size = strlen(name);

    return curl_strnequal(host, name, size) && (host[size] == '\0' || host[size] == ':');
}

/* Without TLS everybody on the way reads it: that was allowed for the registry's machine alone. */
static bool may_know(CURLU *url, const struct registry_options *options)
{
    CLEANUP(curl_text_drop) char *scheme = NULL;
    CLEANUP(curl_text_drop) char *host = NULL;

    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return false;
    return strcmp(scheme, "https") == 0 || host_is_loopback(host) ||
           is_host_of(host, registry_host_of(options->host));
}

static int nowhere(const struct auth_request *request, struct error *err)
{
    return error_set(err, ERROR_UNAUTHENTICATED, "%s: %s names no token service that can be used",
                     request->errand->what, request->errand->host);
}

static int not_in_clear(const struct auth_request *request, const char *realm, struct error *err)
{
    char host[HOST_TEXT_SIZE];

    error_set(
        err, ERROR_PERMISSION_DENIED,
        "%s: %s wants its credentials sent to %s without TLS, where everybody could read them",
        request->errand->what, request->errand->host, host_text(realm, host));
    return error_hint(err, "that service must be reached by https, or be on the registry's host");
}

/* What the challenge says; what the request says where it says nothing, and both where both fit. */
static bool scopes_of(const struct auth_request *request, const struct challenge *challenge,
                      char out[SCOPES_SIZE])
{
    char both[2 * SCOPES_SIZE];

    snprintf(both, sizeof(both), "%s %s", challenge->scope, request->scopes);
    if (request->scopes_too && scopes_sort(both, out))
        return true;
    return scopes_sort(*challenge->scope != '\0' ? challenge->scope : request->scopes, out);
}

int token_place(struct token_place *place, const struct auth_request *request,
                const struct challenge *challenge, struct error *err)
{
    CLEANUP(url_drop) CURLU *url = curl_url();
    CLEANUP(curl_text_drop) char *text = NULL;

    if (realm_set(url, challenge->realm, request->options->plain_http) < 0 ||
        curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK ||
        strlen(text) >= sizeof(place->realm) || !scopes_of(request, challenge, place->scopes))
        return nowhere(request, err);
    if (registry_known_has_secret(request->who) && !may_know(url, request->options))
        return not_in_clear(request, text, err);
    snprintf(place->realm, sizeof(place->realm), "%s", text);
    snprintf(place->service, sizeof(place->service), "%s", challenge->service);
    snprintf(place->key, sizeof(place->key), "%s\n%s\n%s", place->realm, place->service,
             place->scopes);
    return 0;
}

/* ---- asking --------------------------------------------------------------------- */

struct asking {
    struct http *http;
    const struct auth_request *request;
    const struct token_place *place;
    const struct registry_caller *caller;
    struct text *text; /* the answer's */
};

static int on_begin(void *ctx, const struct http_answer *answer, struct error *err)
{
    struct text *text = ctx;

    (void)err;
    (void)answer;
    text->size = 0;
    return 0;
}

static int on_data(void *ctx, const void *data, size_t size, struct error *err)
{
    struct text *text = ctx;

    if (size > ANSWER_MAX - text->size)
        return error_set(err, ERROR_UNAUTHENTICATED, "the token service's answer does not end");
    memcpy(text->data + text->size, data, size);
    text->size += size;
    return 0;
}

/* The refusal in the words of the service; 5xx and 429 may pass. */
static enum auth_result refused(const struct asking *asking, struct error *err)
{
    const struct http_answer *answer = http_answer(asking->http);
    struct errand errand = *asking->request->errand;

    errand.had_credentials = true; /* a refusal here may also mean: no such repository */
    errand.had_username = registry_known_has_secret(asking->request->who);
    errand.by_token = false;
    registry_refused(&errand, answer, err);
    if (answer->status == 400) /* what OAuth 2 says of a wrong password (RFC 6749, 5.2) */
        err->code = ERROR_UNAUTHENTICATED;
    if (answer->status == 408 || answer->status == 429 ||
        (answer->status >= 500 && answer->status != 501))
        return AUTH_LATER;
    return answer->status >= 400 && answer->status <= 499 ? AUTH_WHO : AUTH_REFUSED;
}

static enum auth_result use_answer(struct asking *asking, struct token *token, struct error *err)
{
    const struct http_answer *answer = http_answer(asking->http);
    char host[HOST_TEXT_SIZE];

    if (answer->status < 200 || answer->status > 299)
        return refused(asking, err);
    if (token_parse(asking->text->data, asking->text->size, clock_monotonic(), token, err) == 0)
        return AUTH_OK;
    error_wrap(err, "%s: token service %.80s", asking->request->errand->what,
               host_text(answer->url, host));
    return AUTH_REFUSED;
}

static enum auth_result unanswered(const struct asking *asking, enum http_fate fate,
                                   struct error *err)
{
    const struct errand *errand = asking->request->errand;

    if (fate == HTTP_STOPPED)
        return AUTH_REFUSED;
    if (fate == HTTP_ASTRAY) {
        error_wrap(err, "%.120s: token service", errand->what);
        return AUTH_REFUSED;
    }
    registry_unanswered(errand, http_answer(asking->http), err);
    return fate == HTTP_FAILED ? AUTH_REFUSED : AUTH_LATER;
}

/* ---- by POST ---------------------------------------------------------------------- */

static void form_fill(struct form *form, const struct asking *asking)
{
    const struct registry_known *who = asking->request->who;
    bool by_token = who->identity_token != NULL;

    form_add(form, "grant_type", by_token ? "refresh_token" : "password");
    if (by_token) {
        form_add(form, "refresh_token", who->identity_token);
    } else {
        form_add(form, "username", who->username);
        form_add(form, "password", who->password != NULL ? who->password : "");
    }
    form_add(form, "client_id", CLIENT_ID);
    form_add(form, "service", asking->place->service);
    if (asking->place->scopes[0] != '\0')
        form_add(form, "scope", asking->place->scopes);
    if (asking->request->offline)
        form_add(form, "access_type", "offline");
}

/* Services that do not know POST say so in several ways: some with 404 or 405, some with 401, some
   lead elsewhere, where nothing secret goes. */
static bool is_no_post(int status)
{
    return status == 401 || status == 404 || status == 405 || status == 501 ||
           (status >= 300 && status <= 399);
}

static enum auth_result post_token(struct asking *asking, struct token *token, bool *no_post,
                                   struct error *err)
{
    CLEANUP(form_drop) struct form form = { 0 };
    struct http_request post = {
        .url = asking->place->realm, .begin = on_begin, .data = on_data, .ctx = asking->text
    };
    enum http_fate fate;

    *no_post = false;
    form_open(&form);
    form_fill(&form, asking);
    if (form.full) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no room for the question for a token",
                  asking->request->errand->what);
        return AUTH_REFUSED;
    }
    post.form = form.text;
    fate = http_ask(asking->http, &post, asking->caller, err);
    if (fate != HTTP_ANSWERED)
        return unanswered(asking, fate, err);
    *no_post = is_no_post(http_answer(asking->http)->status);
    return use_answer(asking, token, err);
}

/* ---- by GET ----------------------------------------------------------------------- */

static int query_add(CURLU *url, const char *key, const char *value, size_t size)
{
    char pair[800];

    if (size == 0)
        return 0;
    snprintf(pair, sizeof(pair), "%s=%.*s", key, (int)size, value);
    return curl_url_set(url, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) ==
                   CURLUE_OK
               ? 0
               : -1;
}

/* Each scope goes into a parameter of its own. */
static int scopes_add(CURLU *url, const char *scopes)
{
    const char *word;
    size_t size;

    while ((word = scopes_next(&scopes, &size)) != NULL)
        if (query_add(url, "scope", word, size) < 0)
            return -1;
    return 0;
}

/* NULL when there is no memory; curl_free() it. */
static char *token_url(const struct asking *asking)
{
    CLEANUP(url_drop) CURLU *url = curl_url();
    const struct token_place *place = asking->place;
    char *text = NULL;

    if (curl_url_set(url, CURLUPART_URL, place->realm, 0) != CURLUE_OK ||
        query_add(url, "service", place->service, strlen(place->service)) < 0 ||
        scopes_add(url, place->scopes) < 0)
        return NULL;
    if (asking->request->offline && (query_add(url, "offline_token", "true", 4) < 0 ||
                                     query_add(url, "client_id", CLIENT_ID, 6) < 0))
        return NULL;
    curl_url_get(url, CURLUPART_URL, &text, 0);
    return text;
}

/* What comes from where credentials do not go is not the user's. */
static enum auth_result strayed(const struct asking *asking, struct error *err)
{
    char host[HOST_TEXT_SIZE];

    error_set(err, ERROR_UNAUTHENTICATED,
              "%s: the token service of %s redirects to %s, where credentials do not go",
              asking->request->errand->what, asking->request->errand->host,
              host_text(http_answer(asking->http)->url, host));
    return AUTH_REFUSED;
}

static enum auth_result get_token(struct asking *asking, struct token *token, struct error *err)
{
    const struct registry_known *who = asking->request->who;
    bool has_name = who != NULL && who->username != NULL;
    CLEANUP(curl_text_drop) char *url = token_url(asking);
    struct http_request get = {
        .url = url, .begin = on_begin, .data = on_data, .ctx = asking->text
    };
    enum http_fate fate;
    bool at_home;

    if (url == NULL) {
        nowhere(asking->request, err);
        return AUTH_REFUSED;
    }
    if (has_name) {
        get.username = who->username;
        get.password = who->password != NULL ? who->password : "";
    }
    fate = http_follow(asking->http, &get, &at_home, asking->caller, err);
    if (fate != HTTP_ANSWERED)
        return unanswered(asking, fate, err);
    if (!at_home && has_name)
        return strayed(asking, err);
    return use_answer(asking, token, err);
}

enum auth_result token_fetch(struct token *token, struct http *http,
                             const struct auth_request *request, const struct token_place *place,
                             const struct registry_caller *caller, struct error *err)
{
    CLEANUP(text_drop) struct text *text = calloc(1, sizeof(*text));
    struct asking asking = {
        .http = http, .request = request, .place = place, .caller = caller, .text = text
    };
    enum auth_result result;
    bool no_post;

    if (text == NULL) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a token");
        return AUTH_REFUSED;
    }
    if (!registry_known_has_secret(request->who))
        return get_token(&asking, token, err);
    result = post_token(&asking, token, &no_post, err);
    if (result == AUTH_OK || !no_post || request->who->username == NULL)
        return result;
    *err = (struct error){ 0 };
    return get_token(&asking, token, err);
}
