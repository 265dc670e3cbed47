/*
 * registry_errors — sentences are put together as: what was wanted, who refuses and how, its own
 * words, the address.  The order is that of importance, because the end may be cut off.
 */
#include "actors/images/registry/registry_errors.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "actors/images/registry/http_headers.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define WORDS_SIZE 160
#define PART_MAX   (1u << 10) /* of a body that is no JSON, so much is looked at */

const char *host_text(const char *url, char out[HOST_TEXT_SIZE])
{
    const char *host = strstr(url, "://");

    host = host != NULL ? host + 3 : url;
    return plain_text(host, strcspn(host, "/?#"), out, HOST_TEXT_SIZE);
}

/* ---- the registry's own words ---------------------------------------------- */

static void json_drop(json_t **json)
{
    json_decref(*json);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* {"errors": [{"code": "...", "message": "..."}]}; token services also say {"details": "..."}, and
   {"error": "invalid_grant", "error_description": "..."} (RFC 6749, 5.2). */
static bool words_of_json(const json_t *body, char *out, size_t room, char code[48])
{
    const json_t *first = json_array_get(json_object_get(body, "errors"), 0);
    const char *id = text_of(first, "code"), *message = text_of(first, "message");
    char both[512];

    if (!json_is_object(first)) {
        static const char *const keys[] = { "details", "message", "error_description", "error" };

        for (size_t i = 0; i < COUNT_OF(keys) && *message == '\0'; i++)
            message = text_of(body, keys[i]);
    }
    if (*id == '\0' && *message == '\0')
        return false;
    plain_text(id, strlen(id), code, 48);
    snprintf(both, sizeof(both), "%s%s%s", id, *id != '\0' && *message != '\0' ? ": " : "",
             message);
    plain_text(both, strlen(both), out, room);
    return true;
}

void registry_words(const struct http_answer *answer, char *out, size_t room, char code[48])
{
    CLEANUP(json_drop) json_t *body = json_loadb(answer->text, answer->text_size, 0, NULL);

    out[0] = code[0] = '\0';
    if (json_is_object(body) && words_of_json(body, out, room, code))
        return;
    plain_text(answer->text, answer->text_size < PART_MAX ? answer->text_size : PART_MAX, out,
               room);
}

static enum error_code code_of_word(const char *code)
{
    static const struct {
        const char *word;
        enum error_code code;
    } words[] = {
        { "BLOB_UNKNOWN", ERROR_NOT_FOUND },
        { "MANIFEST_UNKNOWN", ERROR_NOT_FOUND },
        { "MANIFEST_BLOB_UNKNOWN", ERROR_NOT_FOUND },
        { "NAME_UNKNOWN", ERROR_NOT_FOUND },
        { "BLOB_UPLOAD_UNKNOWN", ERROR_NOT_FOUND },
        { "NAME_INVALID", ERROR_INVALID_ARGUMENT },
        { "DIGEST_INVALID", ERROR_INVALID_ARGUMENT },
        { "MANIFEST_INVALID", ERROR_INVALID_ARGUMENT },
        { "SIZE_INVALID", ERROR_INVALID_ARGUMENT },
        { "BLOB_UPLOAD_INVALID", ERROR_INVALID_ARGUMENT },
        { "UNAUTHORIZED", ERROR_UNAUTHENTICATED },
        { "DENIED", ERROR_PERMISSION_DENIED },
        { "UNSUPPORTED", ERROR_UNIMPLEMENTED },
        { "TOOMANYREQUESTS", ERROR_RESOURCE_EXHAUSTED },
    };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(code, words[i].word) == 0)
            return words[i].code;
    return ERROR_UNKNOWN;
}

static enum error_code code_of_status(int status, const char *code)
{
    switch (status) {
    case 401:
        return ERROR_UNAUTHENTICATED;
    case 403:
        return ERROR_PERMISSION_DENIED;
    case 404:
        return ERROR_NOT_FOUND;
    case 429:
        return ERROR_RESOURCE_EXHAUSTED;
    case 408:
        return ERROR_UNAVAILABLE;
    default:
        return status >= 500 ? ERROR_UNAVAILABLE : code_of_word(code);
    }
}

/* ---- sentences --------------------------------------------------------------- */

/* "not found at HOST", "HOST fails (503)" */
static void verdict(const struct errand *errand, int status, const char *host, char *out,
                    size_t room)
{
    if (status == 404)
        snprintf(out, room, "not found at %s", host);
    else if ((status == 401 || status == 403) && errand->redirected)
        snprintf(out, room, "%s, where the registry redirects to, denies access", host);
    else if ((status == 401 || status == 403) && errand->had_username && errand->by_token)
        snprintf(out, room, "not found at %s, or not for this user: it does not say which", host);
    else if ((status == 401 || status == 403) && errand->had_username)
        snprintf(out, room, "%s refuses these credentials", host);
    else if ((status == 401 || status == 403) && errand->had_credentials)
        snprintf(out, room, "not found at %s, or private: it does not say which", host);
    else if (status == 401)
        snprintf(out, room, "%s wants credentials", host);
    else if (status == 403)
        snprintf(out, room, "%s denies access", host);
    else if (status == 429)
        snprintf(out, room, "%s gets too many requests from here", host);
    else if (status >= 500)
        snprintf(out, room, "%s fails with status %d", host, status);
    else
        snprintf(out, room, "%s answers with status %d", host, status);
}

static void hint(const struct errand *errand, int status, const char *words, struct error *err)
{
    if ((status == 401 || status == 403) && !errand->had_username && !errand->redirected)
        error_hint(err, "check the name; for a private image: gantry login %.60s", errand->host);
    else if (status == 429)
        error_hint(err, "wait, or log in (gantry login %.40s): known users may ask more often",
                   errand->host);
    else if (status == 400 && errand->plain_http && strstr(words, "HTTPS") != NULL)
        error_hint(err, "%.60s speaks https: take it out of registries.plain_http", errand->host);
}

int registry_refused(const struct errand *errand, const struct http_answer *answer,
                     struct error *err)
{
    char host[HOST_TEXT_SIZE], sentence[HOST_TEXT_SIZE + 80], words[WORDS_SIZE], code[48];

    registry_words(answer, words, sizeof(words), code);
    verdict(errand, answer->status, host_text(answer->url, host), sentence, sizeof(sentence));
    error_set(err, code_of_status(answer->status, code), "%s: %s%s%s%s (%s %s)", errand->what,
              sentence, *words ? " (" : "", words, *words ? ")" : "", answer->method, answer->url);
    hint(errand, answer->status, words, err);
    if (err->code == ERROR_RESOURCE_EXHAUSTED || err->code == ERROR_UNAVAILABLE)
        err->retry_ms = retry_after_ms(answer->retry_after, clock_now());
    return -1;
}

static bool is_about_tls(int curl)
{
    switch (curl) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
        return true;
    default:
        return false;
    }
}

static int hint_plain_http(const struct errand *errand, struct error *err)
{
    return error_hint(err,
                      "if %.40s speaks plain http, add it to registries.plain_http in config.toml",
                      errand->host);
}

/* Whoever refuses our certificate may want another. */
static int hint_certificate(const struct http_answer *answer, struct error *err)
{
    return answer->certificate[0] != '\0' ? error_hint(err, "%s", answer->certificate) : -1;
}

static int tls_failed(const struct errand *errand, const struct http_answer *answer,
                      const char *host, struct error *err)
{
    char reason[WORDS_SIZE];

    plain_text(answer->reason, strlen(answer->reason), reason, sizeof(reason));
    error_set(err, ERROR_UNAVAILABLE, "%s: no secure connection to %s: %s", errand->what, host,
              reason);
    err->os = EPROTO;
    if (answer->curl == CURLE_PEER_FAILED_VERIFICATION)
        return error_hint(err, "have this machine trust the authority that signed its certificate");
    if (answer->curl == CURLE_SSL_CONNECT_ERROR)
        return hint_plain_http(errand, err);
    return -1;
}

static int no_http(const struct errand *errand, const struct http_answer *answer, const char *host,
                   struct error *err)
{
    char reason[WORDS_SIZE];

    plain_text(answer->reason, strlen(answer->reason), reason, sizeof(reason));
    error_set(err, ERROR_UNKNOWN, "%s: what %s answers is no HTTP: %s", errand->what, host, reason);
    if (errand->plain_http)
        error_hint(err, "if %.40s speaks https, take it out of registries.plain_http",
                   errand->host);
    return -1;
}

/* A number for programs: whoever asks this host, for whatever, will hear the same. */
static int number_of(int curl)
{
    switch (curl) {
    case CURLE_COULDNT_CONNECT:
        return ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return ETIMEDOUT;
    default:
        return EHOSTUNREACH;
    }
}

int registry_unanswered(const struct errand *errand, const struct http_answer *answer,
                        struct error *err)
{
    char host[HOST_TEXT_SIZE], reason[WORDS_SIZE];
    bool connected = answer->status != 0 || answer->curl == CURLE_RECV_ERROR ||
                     answer->curl == CURLE_GOT_NOTHING || answer->curl == CURLE_PARTIAL_FILE;

    host_text(answer->url, host);
    if (is_about_tls(answer->curl)) {
        tls_failed(errand, answer, host, err);
        return hint_certificate(answer, err);
    }
    if (answer->curl == CURLE_WEIRD_SERVER_REPLY || answer->curl == CURLE_UNSUPPORTED_PROTOCOL ||
        answer->curl == CURLE_WRITE_ERROR || answer->curl == CURLE_BAD_CONTENT_ENCODING)
        return no_http(errand, answer, host, err);
    plain_text(answer->reason, strlen(answer->reason), reason, sizeof(reason));
    error_set(err, ERROR_UNAVAILABLE, "%s: %s %s: %s", errand->what,
              connected ? "the connection broke to" : "cannot reach", host, reason);
    hint_certificate(answer, err);
    if (!connected)
        err->os = number_of(answer->curl);
    /* Perhaps a handshake that nobody answers; curl 8.14 does not tell that from no connection. */
    if (!connected && answer->curl == CURLE_OPERATION_TIMEDOUT && !errand->plain_http)
        hint_plain_http(errand, err);
    return -1;
}
