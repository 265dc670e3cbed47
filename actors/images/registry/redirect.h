/*
 * redirect — a request that goes where the answers send it, and an upload that goes on where it is
 * told.
 *
 * Done by hand, because what may follow a redirect is the question: never
 * credentials, nor headers that are for the first host, once another (name, port or
 * scheme) was asked, not even back home;
 * never from https to http; not more than ten times.  What sends something is repeated only where
 * the answer says that it should be (307, 308).
 */
#ifndef ACTORS_IMAGES_REGISTRY_REDIRECT_H
#define ACTORS_IMAGES_REGISTRY_REDIRECT_H

#include "actors/images/registry/http.h"

#define REDIRECTS_MAX 10

/*
 * Like http_ask, with `get->url` as the first stop.  `at_home` tells whether the answer is
 * the first host's own.  A redirect that is not followed is HTTP_ASTRAY.
 */
enum http_fate http_follow(struct http *http, const struct http_request *get, bool *at_home,
                           const struct registry_caller *caller, struct error *err);

/* Where an answer says that things go on: an upload (Location), a list (Link). */
struct place {
    char *url;      /* freed by place_drop() */
    bool elsewhere; /* not the registry's own host: no credentials go there, now or later */
};
void place_drop(struct place *place); /* for CLEANUP() */

/* Makes `place` what `location` (NULL: nothing) of the last answer says, as seen from `home`, an
   address at the registry.  UNKNOWN: it is no address; PERMISSION_DENIED: it leads from https to
   http. */
int place_take(struct place *place, const struct http *http, const char *location, const char *home,
               struct error *err);

#endif
