/*
 * registry_server — a small HTTP server inside a test: says what it is told to say, lies included.
 *
 * A test gives it replies by path; the k-th request for a path gets the k-th reply, and the last
 * one is repeated.  What was asked is remembered.  Other paths are 404 in the words
 * of the distribution-spec.  Everything that goes wrong in the server itself ends the test.
 */
#ifndef TESTS_HELPERS_REGISTRY_SERVER_H
#define TESTS_HELPERS_REGISTRY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct registry_server;

enum server_kind {
    SERVER_HTTP,
    SERVER_TLS,            /* certificate for localhost and 127.0.0.1, signed by itself */
    SERVER_TLS_WRONG_NAME, /* for another name */
    SERVER_TLS_EXPIRED,
    SERVER_SILENT, /* takes connections and never says a word */
};

/* Listens on a free port of 127.0.0.1, with a thread for each connection. */
struct registry_server *server_start(enum server_kind kind);
void server_stop(struct registry_server **server); /* closes, joins, frees: for CLEANUP() */

const char *server_host(const struct registry_server *server);    /* 127.0.0.1:PORT */
const char *server_ca_file(const struct registry_server *server); /* PEM of its certificate */

struct server_reply {
    int status;          /* 0: 200 */
    const char *headers; /* lines, each with \r\n at its end; NULL: none */
    const void *body;    /* copied */
    size_t size;
    bool ranges;  /* understands Range: 206 with Content-Range, 416 */
    bool chunked; /* no Content-Length */
    bool cut;     /* the connection is closed after `cut_after` bytes of the body */
    bool reset;   /* ... by a reset */
    bool hold;    /* ... is not closed then, only silent, until the client goes */
    size_t cut_after;
    unsigned pause_ms; /* behind every 8 KiB of the body */
    size_t take; /* of what the client sends only so much is read, then the connection is closed */
    bool early;  /* ... nothing of it is, and it is closed behind the reply */
    bool gate;   /* nothing is said before server_release() */
    const char *raw;       /* sent instead of everything above, then the connection is closed */
    size_t raw_size;       /* 0: strlen(raw) */
    const char *wants;     /* Authorization that must come, else 401 ... */
    const char *challenge; /* ... with this value of WWW-Authenticate; several lines by \n */
};

/* `path` without its query, e.g. /v2/a/manifests/latest. */
void server_add(struct registry_server *server, const char *path, const struct server_reply *reply);
/* Forgets the replies for the path, so that others can be given. */
void server_forget(struct registry_server *server, const char *path);

/* How many requests came; NULL: for any path. */
size_t server_count(struct registry_server *server, const char *path);
/* How many connections were accepted. */
size_t server_connections(struct registry_server *server);
/* A header (or "target", "method", "body") of the k-th request for the path (NULL: any); "" when it
   was not sent or there was no such request.  Valid for the next few calls of this thread. */
const char *server_seen(struct registry_server *server, const char *path, size_t k,
                        const char *header);
/* What the k-th request for the path sent, as far as it was read; NULL: there was no such request.
 */
const void *server_body(struct registry_server *server, const char *path, size_t k, size_t *size);
/* How many requests for any path came with that header. */
size_t server_count_with(struct registry_server *server, const char *header);
/* Returns when so many requests for the path have come. */
void server_wait(struct registry_server *server, const char *path, size_t count);
/* Opens the gates of all replies, now and later. */
void server_release(struct registry_server *server);

#endif
