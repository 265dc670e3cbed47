/*
 * fetch — the happy path is one exchange.  A 401 of the registry itself is answered once per try;
 * a second one means that what it asked for is not what it wanted.
 */
#include "actors/images/registry/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "actors/images/registry/redirect.h"
#include "actors/images/registry/scopes.h"

#define URL_SIZE 2048

/* REG-19: shown once, no action. */
static void tell_warning(struct registry *registry, const struct http_answer *answer,
                         const struct registry_caller *caller)
{
    char text[320], said[200];

    if (answer->warning[0] == '\0' || caller == NULL || caller->note == NULL ||
        atomic_exchange(&registry->warned, true))
        return;
    plain_text(answer->warning, sizeof(said), said, sizeof(said));
    snprintf(text, sizeof(text), "%.100s warns: %s", registry->host, said);
    caller->note(caller->ctx, text);
}

/* Of several certificates: which it is shown, and why others never are.  Once. */
static void tell_certificate(struct registry *registry, const struct http_answer *answer,
                             const struct registry_caller *caller)
{
    const struct client_certs *certs = registry->certs;
    char text[480];

    if (answer->certificate[0] == '\0' || caller == NULL || caller->note == NULL ||
        atomic_exchange(&registry->told, true))
        return;
    snprintf(text, sizeof(text), "%.100s wants a certificate: %s", registry->host,
             answer->certificate);
    caller->note(caller->ctx, text);
    for (size_t i = 0; i < client_certs_count(certs); i++) {
        if (client_certs_usable(certs, i))
            continue;
        snprintf(text, sizeof(text), "%.200s cannot be shown: %.250s", client_certs_file(certs, i),
                 client_certs_words(certs, i));
        caller->note(caller->ctx, text);
    }
}

/* A status that another try may change.  Not 507: a full store is the user's to decide about, and
   must not be tried again by programs (RFC 4918, 11.5). */
static bool is_passing(int status)
{
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 507);
}

static int unanswered(struct registry *registry, const struct errand *errand,
                      const struct http_answer *answer, enum http_fate fate, bool *may_pass,
                      struct error *err)
{
    /* A host that never answered is likely misspelt or down: say so at once. */
    *may_pass = fate == HTTP_BROKEN || (fate == HTTP_UNREACHED && atomic_load(&registry->answered));
    return registry_unanswered(errand, answer, err);
}

/* The registry's own words (REG-11), unless somebody else was asked meanwhile. */
static void add_words(const struct http_answer *answer, const char *url, struct error *err)
{
    char words[160], code[48];
    struct error said = *err;

    registry_words(answer, words, sizeof(words), code);
    if (strncmp(answer->url, url, strcspn(url, "?")) != 0 || code[0] == '\0')
        return;
    error_set(err, said.code, "%.220s (%s) (%s %s)", said.text, words, answer->method, answer->url);
    if (said.hint[0] != '\0')
        error_hint(err, "%s", said.hint);
}

/* Once more with new credentials: 0.  -1: it ends here. */
static int answer_challenge(struct line *line, const char *url, struct auth_request *request,
                            const struct registry_caller *caller, bool *may_pass, struct error *err)
{
    enum auth_result result;

    request->challenges = http_answer(line->http)->challenges;
    result = auth_answer(&line->registry->auth, line->http, request, caller, err);
    if (result == AUTH_REFUSED)
        add_words(http_answer(line->http), url, err);
    *may_pass = result == AUTH_LATER;
    return result == AUTH_OK ? 0 : -1;
}

/*
 * What everybody gets is not enough here, and more may be known of the user.  401 and 403 say so;
 * known users may ask more often (429); and some registries hide images that are not for everybody
 * behind a 404.  A mirror's 404 is none of these: the next host is asked.
 */
static bool is_for_somebody(struct registry *registry, const struct fetch *fetch,
                            const struct credential *credential, int status)
{
    if (credential == NULL || credential_is_users(credential))
        return false;
    return status == 401 || status == 403 || status == 429 ||
           (status == 404 && fetch->kind != NULL && strcmp(fetch->kind, "manifests") == 0 &&
            registry->options.named == NULL && !atomic_load(&registry->open));
}

static struct errand errand_of(const struct registry *registry, const struct fetch *fetch,
                               const struct credential *credential, const struct http_request *get)
{
    return (struct errand){ .what = fetch->what,
                            .host = registry->host,
                            .plain_http = registry->options.plain_http,
                            .had_credentials = get->bearer != NULL || get->username != NULL,
                            .had_username = credential_is_users(credential),
                            .by_token = get->bearer != NULL };
}

/* A mirror may stand for several registries: it is told whose images are asked for, as containerd
   tells it. */
static void add_name(const char *named, char url[URL_SIZE])
{
    size_t at = strlen(url);

    if (named == NULL)
        return;
    snprintf(url + at, URL_SIZE - at, "%cns=", strchr(url, '?') != NULL ? '&' : '?');
    for (at += 4; *named != '\0' && at + 4 < URL_SIZE; named++)
        at += (size_t)snprintf(url + at, URL_SIZE - at,
                               strchr(":[]", *named) != NULL ? "%%%02X" : "%c",
                               (unsigned char)*named);
}

void fetch_home(const struct registry *registry, char out[HOST_TEXT_SIZE + 16])
{
    snprintf(out, HOST_TEXT_SIZE + 16, "%s://%s/", registry->options.plain_http ? "http" : "https",
             registry->host);
}

static void scopes_of(const struct registry *registry, const struct fetch *fetch,
                      char scopes[SCOPES_SIZE])
{
    int used;

    scopes[0] = '\0';
    if (fetch->kind == NULL)
        return;
    used = snprintf(scopes, SCOPES_SIZE, "repository:%s:%s", registry->options.repository,
                    fetch->actions != NULL ? fetch->actions : "pull");
    if (fetch->also != NULL && (size_t)used + strlen(fetch->also) + 20 < SCOPES_SIZE)
        snprintf(scopes + used, SCOPES_SIZE - (size_t)used, " repository:%s:pull", fetch->also);
}

static void address(const struct registry *registry, const struct fetch *fetch, char url[URL_SIZE])
{
    const char *scheme = registry->options.plain_http ? "http" : "https";

    if (fetch->kind == NULL) {
        snprintf(url, URL_SIZE, "%s://%s%s/", scheme, registry->host, registry->options.path);
        return;
    }
    snprintf(url, URL_SIZE, "%s://%s%s/%s/%s/%s%s%s", scheme, registry->host,
             registry->options.path, registry->options.repository, fetch->kind, fetch->name,
             fetch->query != NULL ? "?" : "", fetch->query != NULL ? fetch->query : "");
    add_name(registry->options.named, url);
}

int fetch_try(struct line *line, const struct fetch *fetch, const struct registry_caller *caller,
              bool *may_pass, struct error *err)
{
    struct registry *registry = line->registry;
    const struct http_answer *answer = http_answer(line->http);
    const char *blob_url = registry->options.blob_url; /* any host's, which an image names */
    bool elsewhere = blob_url != NULL || (fetch->place != NULL && fetch->place->elsewhere);
    struct http_request get = { .method = fetch->method,
                                .body = fetch->body,
                                .accept = fetch->accept,
                                .headers = elsewhere ? NULL : registry->options.headers,
                                .from = fetch->from,
                                .until = fetch->until,
                                .begin = fetch->begin,
                                .data = fetch->data,
                                .ctx = fetch->ctx };
    char url[URL_SIZE], scopes[SCOPES_SIZE];

    *may_pass = false;
    if (fetch->kind != NULL && registry->options.repository == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: no repository was named", fetch->what);
    address(registry, fetch, url);
    scopes_of(registry, fetch, scopes);
    get.url = fetch->place != NULL ? fetch->place->url : blob_url != NULL ? blob_url : url;
    for (bool challenged = false;;) {
        const struct credential *credential =
            elsewhere ? NULL : auth_current(&registry->auth, scopes);
        struct errand errand;
        struct auth_request request = { .options = &registry->options,
                                        .errand = &errand,
                                        .refused = credential,
                                        .scopes = scopes,
                                        .scopes_too = fetch->actions != NULL,
                                        .offline = fetch->offline };
        enum http_fate fate;
        bool at_home;
        int asked;

        credential_use(credential, &get);
        errand = errand_of(registry, fetch, credential, &get);
        fate = http_follow(line->http, &get, &at_home, caller, err);
        at_home = at_home && !elsewhere;
        errand.redirected = !at_home;
        tell_certificate(registry, answer, caller);
        if (fate == HTTP_STOPPED)
            return -1;
        if (fate == HTTP_ASTRAY)
            return error_wrap(err, "%.120s", fetch->what);
        if (fate != HTTP_ANSWERED)
            return unanswered(registry, &errand, answer, fate, may_pass, err);
        atomic_store(&registry->answered, true);
        tell_warning(registry, answer, caller);
        if (answer->status >= 200 && answer->status < 300) {
            credential_was_good(credential);
            if (!credential_is_users(credential))
                atomic_store(&registry->open, true);
            return 0;
        }
        if (at_home && (challenged || answer->status != 401) &&
            is_for_somebody(registry, fetch, credential, answer->status)) {
            asked = auth_ask(&registry->auth, line->http, &request, caller, err);
            if (asked < 0)
                return -1;
            challenged = challenged && asked == 0;
            if (asked > 0 && answer->status != 401)
                continue;
        }
        if (answer->status == 401 && at_home && !challenged) {
            if (answer_challenge(line, get.url, &request, caller, may_pass, err) < 0)
                return -1;
            challenged = true;
            continue;
        }
        *may_pass = is_passing(answer->status);
        return registry_refused(&errand, answer, err);
    }
}
