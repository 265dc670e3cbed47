/* server_wire — one connection of the scripted server: a request read, a reply written. */
#ifndef TESTS_HELPERS_SERVER_WIRE_H
#define TESTS_HELPERS_SERVER_WIRE_H

#include <openssl/ssl.h>

#include "tests/helpers/registry_server.h"

struct wire {
    int socket;
    SSL *tls; /* NULL: plain */
};

/* Request line and headers, malloced; NULL when the client has gone, or speaks something else: then
   it is told so, as servers do. */
char *wire_read_head(struct wire *wire);
/* What follows it, malloced, as far as Content-Length and the reply say.  false when the connection
   is to be closed at once: that was all of it that the reply (NULL: none) wants. */
bool wire_read_body(struct wire *wire, const char *head, const struct server_reply *reply,
                    char **body, size_t *size);
/* Returns when the client has closed its side. */
void wire_wait_for_end(struct wire *wire);
/* What to say to a request for a path without a reply.  All three: false when the connection is to
   be closed. */
bool wire_not_found(struct wire *wire, const char *head);
bool wire_challenge(struct wire *wire, const struct server_reply *reply, const char *head);
bool wire_reply(struct wire *wire, const struct server_reply *reply, const char *head);

/* Of a head, malloced: the target without its query; a header or "target", NULL when absent. */
char *head_path(const char *head);
char *head_value(const char *head, const char *name);

#endif
