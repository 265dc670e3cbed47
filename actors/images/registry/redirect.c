/* redirect — hop by hop, with the address taken apart and compared by curl's own URL reader. */
#include "actors/images/registry/redirect.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/registry_errors.h"
#include "platform/scope.h"

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* 301 to 303 may turn a POST into a GET (RFC 9110, 15.4): that is not what was asked for. */
static bool is_followed(const struct http_request *get, int status)
{
    bool reads = get->form == NULL && (get->method == NULL || strcmp(get->method, "HEAD") == 0);

    return is_redirect(status) && (reads || status == 307 || status == 308);
}

static void url_drop(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void text_drop(char **text)
{
    curl_free(*text);
}

static char *part(CURLU *url, CURLUPart which)
{
    char *text = NULL;

    curl_url_get(url, which, &text, CURLU_DEFAULT_PORT);
    return text;
}

static bool is_same_part(CURLU *a, CURLU *b, CURLUPart which)
{
    CLEANUP(text_drop) char *left = part(a, which);
    CLEANUP(text_drop) char *right = part(b, which);

    return left != NULL && right != NULL && curl_strequal(left, right);
}

static bool is_same_host(CURLU *a, CURLU *b)
{
    return is_same_part(a, b, CURLUPART_SCHEME) && is_same_part(a, b, CURLUPART_HOST) &&
           is_same_part(a, b, CURLUPART_PORT);
}

static bool is_scheme(CURLU *url, const char *scheme)
{
    CLEANUP(text_drop) char *text = part(url, CURLUPART_SCHEME);

    return text != NULL && curl_strequal(text, scheme);
}

/* Makes `url` the place that `location` names, seen from where it is now. */
static int step(CURLU *url, const char *location, struct error *err)
{
    bool secure = is_scheme(url, "https");

    if (location == NULL)
        return error_set(err, ERROR_UNKNOWN, "it redirects without saying where to");
    if (curl_url_set(url, CURLUPART_URL, location, 0) != CURLUE_OK ||
        !(is_scheme(url, "https") || is_scheme(url, "http")))
        return error_set(err, ERROR_UNKNOWN, "it redirects to something that is no web address");
    if (secure && !is_scheme(url, "https"))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "it redirects from https to http, which is not followed");
    /* a name and password inside the address would be sent as credentials */
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    return 0;
}

/* "cdn.example.org: it redirects in circles" */
static enum http_fate astray(const struct http *http, struct error *err)
{
    char host[HOST_TEXT_SIZE];

    error_wrap(err, "%.100s", host_text(http_answer(http)->url, host));
    return HTTP_ASTRAY;
}

enum http_fate http_follow(struct http *http, const struct http_request *get, bool *at_home,
                           const struct registry_caller *caller, struct error *err)
{
    CLEANUP(url_drop) CURLU *home = curl_url();
    CLEANUP(url_drop) CURLU *here = curl_url();
    struct http_request next = *get;
    enum http_fate fate;

    *at_home = true;
    curl_url_set(home, CURLUPART_URL, get->url, 0);
    curl_url_set(here, CURLUPART_URL, get->url, 0);
    for (int hops = 0; hops <= REDIRECTS_MAX; hops++) {
        CLEANUP(text_drop) char *url = NULL;

        if (curl_url_get(here, CURLUPART_URL, &url, 0) != CURLUE_OK) {
            error_set(err, ERROR_INVALID_ARGUMENT, "%.200s is no web address", get->url);
            return HTTP_ASTRAY;
        }
        next.url = url;
        fate = http_ask(http, &next, caller, err);
        if (fate != HTTP_ANSWERED || !is_followed(get, http_answer(http)->status))
            return fate;
        if (step(here, http_answer(http)->location, err) < 0)
            return astray(http, err);
        if (!is_same_host(home, here)) {
            *at_home = false;
            next.bearer = next.username = next.password = next.headers = NULL;
        }
    }
    error_set(err, ERROR_UNKNOWN, "it redirects in circles");
    return astray(http, err);
}

/* ---- where an upload goes on ------------------------------------------------------------ */

void place_drop(struct place *place)
{
    curl_free(place->url);
    place->url = NULL;
}

int place_take(struct place *place, const struct http *http, const char *location, const char *home,
               struct error *err)
{
    const struct http_answer *answer = http_answer(http);
    CLEANUP(url_drop) CURLU *own = curl_url();
    CLEANUP(url_drop) CURLU *here = curl_url();
    char host[HOST_TEXT_SIZE], *url = NULL;

    if (curl_url_set(own, CURLUPART_URL, home, 0) != CURLUE_OK ||
        curl_url_set(here, CURLUPART_URL, answer->url, 0) != CURLUE_OK)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.200s is no web address", answer->url);
    if (step(here, location, err) < 0)
        return error_wrap(err, "%.100s", host_text(answer->url, host));
    if (curl_url_get(here, CURLUPART_URL, &url, 0) != CURLUE_OK)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for an address");
    place_drop(place);
    place->url = url;
    place->elsewhere = place->elsewhere || !is_same_host(own, here);
    return 0;
}
