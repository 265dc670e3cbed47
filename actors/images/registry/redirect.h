/*
 * redirect — a GET that goes where the answers send it.
 *
 * Done by hand, because what may follow a redirect is the question: never
 * credentials once another host (name, port or scheme) was asked, not even back home;
 * never from https to http; not more than ten times.
 */
#ifndef ACTORS_IMAGES_REGISTRY_REDIRECT_H
#define ACTORS_IMAGES_REGISTRY_REDIRECT_H

#include "actors/images/registry/http.h"

#define REDIRECTS_MAX 10

/*
 * Like http_get, with `get->url` as the first stop.  `at_home` tells whether the answer is
 * the first host's own.  A redirect that is not followed is HTTP_ASTRAY.
 */
enum http_fate http_follow(struct http *http, const struct http_get *get, bool *at_home,
                           const struct registry_caller *caller, struct error *err);

#endif
