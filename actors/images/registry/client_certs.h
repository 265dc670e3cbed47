/*
 * client_certs — which of several certificates a host is shown.
 *
 * A host that wants one names the authorities it believes; the first of ours that comes from one of
 * them is shown, as Go's programs (containerd) do it, one that is good today before one that is
 * not. That is known in the middle of the handshake alone, so OpenSSL asks us there.  What cannot
 * be read, has another's key or is locked with a passphrase is passed over, and it is said why.
 */
#ifndef ACTORS_IMAGES_REGISTRY_CLIENT_CERTS_H
#define ACTORS_IMAGES_REGISTRY_CLIENT_CERTS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

#define CLIENT_CERTS_MAX 64

struct client_certs; /* may be used by several threads at once, once it is open */

/* Files (PEM), one a line, and as many of their keys; an empty line: in the certificate's file. */
int client_certs_open(struct client_certs **certs, const char *files, const char *keys,
                      struct error *err);
void client_certs_close(struct client_certs **certs); /* NULL is fine: for CLEANUP() */

size_t client_certs_count(const struct client_certs *certs);
const char *client_certs_file(const struct client_certs *certs, size_t index);
const char *client_certs_key(const struct client_certs *certs,
                             size_t index); /* NULL: the same file */
bool client_certs_usable(const struct client_certs *certs, size_t index);
/* "CN=me, by CN=an authority, until 2027-01-31"; what is wrong with it, for one that is not usable.
 */
const char *client_certs_words(const struct client_certs *certs, size_t index);

/* The first that is usable, better one that is good today; -1: none is. */
int client_certs_first(const struct client_certs *certs);

/* What came of a handshake. */
struct client_certs_turn {
    const struct client_certs *certs;
    bool asked;      /* the host wanted one */
    int shown;       /* index; -1: none that it could want */
    char wants[160]; /* the authorities it names */
};

/* Has OpenSSL choose in the handshakes of an SSL_CTX; `turn` outlives it. */
void client_certs_use(struct client_certs_turn *turn, void *ssl_ctx);
/* Whether this program's OpenSSL is the one behind curl. */
bool client_certs_can_choose(void);

#endif
