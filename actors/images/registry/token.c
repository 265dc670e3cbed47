/* token — builds the address from the challenge, asks, and reads the answer. */
#include "actors/images/registry/token.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/redirect.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/document.h"

#define ANSWER_MAX    (64u << 10)
#define SECOND        INT64_C(1000000000)
#define EXPIRES_S     60   /* when the service does not say (token spec) */
#define EXPIRES_MAX_S 3600 /* asked anew at least every hour */
#define MARGIN_S      5    /* a token that is about to run out is not sent any more */

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
    free(*text);
}

static void json_drop(json_t **json)
{
    json_decref(*json);
}

void token_free(struct token *token)
{
    if (token->text != NULL)
        memory_wipe(token->text, strlen(token->text));
    free(token->text);
    token->text = NULL;
}

static bool fits_header(const char *token)
{
    size_t size = 0;

    for (; token[size] != '\0'; size++)
        if (token[size] <= ' ' || token[size] > '~')
            return false;
    return size > 0 && size < (32u << 10);
}

static const char *token_text(const json_t *answer)
{
    const char *token = json_string_value(json_object_get(answer, "token"));

    if (token == NULL || *token == '\0')
        token = json_string_value(json_object_get(answer, "access_token"));
    return token;
}

int token_parse(const char *json, size_t size, int64_t now, struct token *token, struct error *err)
{
    CLEANUP(json_drop) json_t *answer = document_load("answer", json, size, ANSWER_MAX, err);
    const char *text = token_text(answer);
    json_int_t seconds = json_integer_value(json_object_get(answer, "expires_in"));

    if (answer == NULL)
        return err->code = ERROR_UNAUTHENTICATED, -1;
    if (text == NULL || !fits_header(text))
        return error_set(err, ERROR_UNAUTHENTICATED, "its answer holds no token");
    if (seconds <= 0)
        seconds = EXPIRES_S;
    if (seconds > EXPIRES_MAX_S)
        seconds = EXPIRES_MAX_S;
    if (seconds > 2 * MARGIN_S)
        seconds -= MARGIN_S;
    token->text = calloc(1, strlen(text) + 1);
    if (token->text == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a token");
    memcpy(token->text, text, strlen(text));
    token->expires = now + seconds * SECOND;
    return 0;
}

/* ---- asking --------------------------------------------------------------------- */

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

/* A scope list is separated by blanks; each goes into a parameter of its own. */
static int scopes_add(CURLU *url, const char *scopes)
{
    while (*scopes != '\0') {
        size_t size = strcspn(scopes, " ");

        if (query_add(url, "scope", scopes, size) < 0)
            return -1;
        scopes += size;
        scopes += strspn(scopes, " ");
    }
    return 0;
}

/* The realm must be an address, and as secure as the registry's own. */
static int realm_set(CURLU *url, const struct challenge *challenge, bool plain_http)
{
    CLEANUP(curl_text_drop) char *scheme = NULL;

    if (curl_url_set(url, CURLUPART_URL, challenge->realm, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        return -1;
    if (strcmp(scheme, "https") != 0 && !(plain_http && strcmp(scheme, "http") == 0))
        return -1;
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    return 0;
}

/* NULL when the challenge leads nowhere; curl_free() it. */
static char *token_url(const struct auth_request *request, const struct challenge *challenge)
{
    CLEANUP(url_drop) CURLU *url = curl_url();
    const char *scopes = challenge->scope;
    char own[512], *text = NULL;

    snprintf(own, sizeof(own), "repository:%s:pull", request->options->repository);
    if (*scopes == '\0')
        scopes = own;
    if (realm_set(url, challenge, request->options->plain_http) < 0 ||
        query_add(url, "service", challenge->service, strlen(challenge->service)) < 0 ||
        scopes_add(url, scopes) < 0)
        return NULL;
    curl_url_get(url, CURLUPART_URL, &text, 0);
    return text;
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
static enum auth_result refused(const struct auth_request *request,
                                const struct http_answer *answer, struct error *err)
{
    struct errand errand = *request->errand;

    errand.had_credentials = true; /* a refusal here may also mean: no such repository */
    errand.had_username = false;   /* name and password were not sent */
    registry_refused(&errand, answer, err);
    if (request->options->username != NULL)
        error_hint(err, "name and password are sent by Basic only; this host wants a token");
    return answer->status == 408 || answer->status == 429 || answer->status >= 500 ? AUTH_LATER
                                                                                   : AUTH_REFUSED;
}

static enum auth_result use_answer(struct token *token, const struct auth_request *request,
                                   const struct http_answer *answer, const struct text *text,
                                   struct error *err)
{
    char host[HOST_TEXT_SIZE];

    if (answer->status < 200 || answer->status > 299)
        return refused(request, answer, err);
    if (token_parse(text->data, text->size, clock_monotonic(), token, err) == 0)
        return AUTH_OK;
    error_wrap(err, "%s: token service %.80s", request->errand->what, host_text(answer->url, host));
    return AUTH_REFUSED;
}

enum auth_result token_fetch(struct token *token, struct http *http,
                             const struct auth_request *request, const struct challenge *challenge,
                             const struct registry_caller *caller, struct error *err)
{
    CLEANUP(curl_text_drop) char *url = token_url(request, challenge);
    CLEANUP(text_drop) struct text *text = calloc(1, sizeof(*text));
    struct http_get get = { .url = url, .data = on_data, .ctx = text };
    bool at_home;

    if (url == NULL || text == NULL) {
        error_set(err, ERROR_UNAUTHENTICATED, "%s: %s names no token service that can be used",
                  request->errand->what, request->errand->host);
        return AUTH_REFUSED;
    }
    switch (http_follow(http, &get, &at_home, caller, err)) {
    case HTTP_ANSWERED:
        return use_answer(token, request, http_answer(http), text, err);
    case HTTP_STOPPED:
        return AUTH_REFUSED;
    case HTTP_ASTRAY:
        error_wrap(err, "%.120s: token service", request->errand->what);
        return AUTH_REFUSED;
    case HTTP_FAILED:
        registry_unanswered(request->errand, http_answer(http), err);
        return AUTH_REFUSED;
    default:
        registry_unanswered(request->errand, http_answer(http), err);
        return AUTH_LATER;
    }
}
