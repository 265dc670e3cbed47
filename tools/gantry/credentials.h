/*
 * credentials — what the user is known by at registries, as other programs keep it too.
 *
 * The one idea: the files are the user's, not the daemon's.  Who asks for a pull looks them up and
 * sends them along; the daemon sees them for the time of one request and keeps none.  A library of
 * its own, for programs that do as the command line does:
 *
 *      credentials    whose: the files in their order, the helpers they name
 *      auth_file      one such file: docker's config.json, containers' auth.json
 *      auth_helper    the programs docker-credential-NAME
 *
 * Looked into, in this order: the file that REGISTRY_AUTH_FILE names; docker's (DOCKER_CONFIG, else
 * ~/.docker); auth.json as podman and skopeo write it, in XDG_RUNTIME_DIR/containers,
 * /run/containers/UID, XDG_CONFIG_HOME/containers (~/.config).  The first that knows the host
 * counts. Written is docker's alone.
 */
#ifndef TOOLS_GANTRY_CREDENTIALS_H
#define TOOLS_GANTRY_CREDENTIALS_H

#include <stdbool.h>

#include "protocol/error.h"
#include "protocol/record.h"

#define SECRET_SIZE 16385 /* the longest that the daemon takes, and a NUL */

/* Strings of an arena; NULL what there is not. */
struct credentials {
    const char *username, *password;
    const char *identity_token; /* instead of both, for a token service */
    const char *registry_token; /* instead of everything, for the registry itself */
    const char *source;         /* a file, or a helper: for messages */
};

/* Wipes what is secret, in the arena. */
void credentials_wipe(struct credentials *credentials);

/*
 * `host` as in references (docker.io, localhost:5000); `repository` may be NULL: only some of the
 * files know better than by host.  1: found; 0: there are none; -1: a file or helper says nonsense:
 * which one, and what to do about it.
 */
int credentials_find(const char *host, const char *repository, struct arena *arena,
                     struct credentials *out, struct error *err);

/* Keeps them where docker does: with the helper that its file names, else in the file, which only
   the user can read.  `where` gets the name of the place, `helper` whether it is a helper. */
int credentials_keep(const char *host, const struct credentials *credentials, struct arena *arena,
                     const char **where, bool *helper, struct error *err);

/* Forgets them there.  1: there were some; 0: none; -1. */
int credentials_forget(const char *host, struct arena *arena, const char **where,
                       struct error *err);

/* Hosts that are kept there, or by the helpers that are named there for one host. */
int credentials_hosts(struct arena *arena, struct strs *out, struct error *err);

/* docker.io, index.docker.io, https://index.docker.io/v1/, Registry.Example:5000 -> as in
   references. INVALID_ARGUMENT. */
int credentials_host(const char *text, struct arena *arena, const char **host, struct error *err);

#endif
