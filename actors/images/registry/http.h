/*
 * http — one request on a kept connection: a GET, the POST of a form, or bytes of a file sent.
 *
 * Knows curl and nothing of registries.  The idea: a transfer is a loop we own
 * (perform, ask the caller, poll), not a call that returns when it likes, so a
 * cancelled job ends within a tenth of a second whatever the network does.
 * Redirects are not followed here, and every transfer sets all of its options
 * anew, so nothing of one (least of all credentials) is left for the next.
 */
#ifndef ACTORS_IMAGES_REGISTRY_HTTP_H
#define ACTORS_IMAGES_REGISTRY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actors/images/registry.h"
#include "actors/images/registry/client_certs.h"
#include "protocol/error.h"

#define HTTP_TEXT_MAX 8192 /* bytes kept of a body that is not the wanted one */

struct http; /* a curl handle and the connections it keeps; one thread at a time */

/* How an attempt ended. */
enum http_fate {
    HTTP_ANSWERED,  /* with a status, which may be any */
    HTTP_STOPPED,   /* begin, data or check said so: the error is theirs */
    HTTP_BROKEN,    /* the connection ended early or was too slow: may pass */
    HTTP_UNREACHED, /* there never was a connection: no such name, refused, no route */
    HTTP_FAILED,    /* there was, and it is of no use: TLS, bytes that are no HTTP */
    HTTP_ASTRAY     /* redirected to where we do not go: the error says why (http_follow only) */
};

struct http_answer {
    char url[512]; /* asked, without its query; for messages */
    const char *method;
    int status;     /* 0 before there is one */
    int64_t length; /* Content-Length; -1: not said */
    bool has_range; /* a Content-Range was there and is sane */
    uint64_t range_first, range_last;
    int64_t range_total;           /* -1: not said */
    char type[128];                /* Content-Type without parameters, lower case */
    char digest[DIGEST_TEXT_SIZE]; /* Docker-Content-Digest; "" when absent or too long for one */
    char retry_after[64];
    char warning[256];
    char range[64];                 /* Range: how far an upload is, as the registry says it */
    char chunk_min[32];             /* OCI-Chunk-Min-Length */
    char subject[DIGEST_TEXT_SIZE]; /* OCI-Subject */
    char tags[2048];                /* OCI-Tag, one a line */
    char link[2048];                /* Link */
    char *location;                 /* NULL when absent */
    char challenges[4096];          /* WWW-Authenticate, one a line */
    char text[HTTP_TEXT_MAX + 1];   /* the body's beginning, unless the status is 2xx */
    size_t text_size;
    char certificate[120]; /* what came of its wish for one of several of ours; "" when it had none */
    int curl;         /* CURLcode */
    char reason[256]; /* curl's words for it */
};

/* What is sent along: a part of a file.  A try that is repeated sends it again. */
struct http_body {
    int file;
    uint64_t from, size;
    const char *type;  /* Content-Type */
    const char *range; /* Content-Range; NULL: none */
};

struct http_request {
    const char *url;
    const char *method;           /* NULL: GET, or POST of `form` */
    const char *form;             /* POSTed there; NULL: none */
    const struct http_body *body; /* for methods that send something; NULL: nothing is sent */
    const char *accept;           /* NULL: anything */
    const char *headers;          /* others, one a line; NULL: none */
    const char *bearer;           /* a token, or NULL */
    const char *username;         /* Basic, or NULL */
    const char *password;
    uint64_t from;  /* first byte wanted */
    uint64_t until; /* bytes before this one are; 0: all.  Without both no Range is sent */
    /* For status 2xx: `begin` once, before the first byte and also when there is none. */
    int (*begin)(void *ctx, const struct http_answer *answer, struct error *err);
    int (*data)(void *ctx, const void *data, size_t size, struct error *err); /* NULL: dropped */
    void *ctx;
};

/* `certs`: of the options; NULL: none.  They outlive it. */
int http_open(struct http **http, const struct registry_options *options,
              const struct client_certs *certs, struct error *err);
void http_close(struct http **http);

/* The answer to the last http_ask, until the next. */
const struct http_answer *http_answer(const struct http *http);

/* So many bytes of the body were handed to the connection; they may be lost yet. */
uint64_t http_sent(const struct http *http);

/* One attempt; waits.  Sets the error for HTTP_STOPPED alone. */
enum http_fate http_ask(struct http *http, const struct http_request *get,
                        const struct registry_caller *caller, struct error *err);

/* Waits so long; -1 when the caller's check says so. */
int http_wait(struct http *http, uint64_t ms, const struct registry_caller *caller,
              struct error *err);

#endif
