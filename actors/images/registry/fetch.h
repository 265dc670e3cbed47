/*
 * fetch — one try at one thing of a repository: redirects followed, a 401 answered, the
 * outcome put into words.  Whether to try again is the caller's to decide, with `may_pass`.
 */
#ifndef ACTORS_IMAGES_REGISTRY_FETCH_H
#define ACTORS_IMAGES_REGISTRY_FETCH_H

#include "actors/images/registry/registry_private.h"

struct place;

struct fetch {
    const char *what;          /* for messages: "image docker.io/library/busybox:latest" */
    const char *kind;          /* "manifests" or "blobs"; NULL: the registry itself, /v2/ */
    const char *name;          /* tag or digest */
    const char *query;         /* behind it; NULL: none */
    const struct place *place; /* instead of these three: where an answer has sent us */
    const char *method;        /* NULL: GET */
    const struct http_body *body;
    const char *actions; /* on the repository that a token must allow; NULL: "pull" */
    const char *also;    /* another repository that it must allow to pull from; NULL: none */
    const char *accept;  /* NULL: anything */
    uint64_t from, until; /* as of http_request */
    bool offline; /* a token for the next time is welcome, if one must be asked for */
    int (*begin)(void *ctx, const struct http_answer *answer, struct error *err);
    int (*data)(void *ctx, const void *data, size_t size, struct error *err);
    void *ctx;
};

/* http://HOST/ or https://HOST/, in `out`. */
void fetch_home(const struct registry *registry, char out[HOST_TEXT_SIZE + 16]);

/*
 * 0: status 2xx, and `begin` and `data` took it all.  -1: the error says why, and `may_pass`
 * whether another try makes sense; http_answer() of the line has the status.
 */
int fetch_try(struct line *line, const struct fetch *fetch, const struct registry_caller *caller,
              bool *may_pass, struct error *err);

#endif
