/*
 * auth_file — a file of credentials: docker's config.json, or auth.json of podman and skopeo.
 *
 *      { "auths": { "HOST": { "auth": base64 of USER:PASSWORD, "identitytoken": "..." } },
 *        "credHelpers": { "HOST": "NAME" }, "credsStore": "NAME" }
 *
 * Keys are written in many ways: host, https://host/v1/, host/path for all below it.  They are
 * compared in one.  What else stands in the file is kept as it is when it is written.
 *
 * It is replaced by a rename, as docker and podman do it, so nobody reads half of one.  Those two take
 * no lock; ours lies beside the file, and whoever changes it reads, changes and writes while he has
 * it, and does nothing else meanwhile.
 */
#ifndef TOOLS_GANTRY_AUTH_FILE_H
#define TOOLS_GANTRY_AUTH_FILE_H

#include <jansson.h>

#include "platform/platform.h"
#include "tools/gantry/credentials.h"

#define HUB     "docker.io"
#define HUB_KEY "https://index.docker.io/v1/" /* docker's name for it, also before helpers */

/* One of its names. */
bool auth_is_hub(const char *host);

struct auth_file {
    char path[PATH_SIZE];
    json_t *root; /* NULL: there is no such file */
};

/* DATA_LOSS: it is not what it should be; others: it cannot be read. */
int auth_file_open(struct auth_file *file, const char *path, struct error *err);
void auth_file_drop(struct auth_file *file); /* for CLEANUP() */
/* For a change, before the file is opened; lock_drop() it.  FAILED_PRECONDITION: somebody has it for
   longer than ten seconds. */
int auth_file_lock(const char *path, int *lock, struct error *err);
/* Whole or not at all, mode 0600, through a link to where it leads. */
int auth_file_save(const struct auth_file *file, struct error *err);

/* Helpers to ask for the host: of credHelpers, and for all.  NULL where none is named. */
const char *auth_file_helper(const struct auth_file *file, const char *host);
const char *auth_file_store(const struct auth_file *file);

/* 1: found; 0: the file knows nothing of it; -1: what it knows is malformed. */
int auth_file_find(const struct auth_file *file, const char *host, const char *repository,
                   struct arena *arena, struct credentials *out, struct error *err);

/* As references have them, each once. */
void auth_file_hosts(const struct auth_file *file, struct arena *arena, struct strs *out);

/* Changes the file in memory.  An entry of nothing says that a helper knows. */
int auth_file_put(struct auth_file *file, const char *host, const struct credentials *credentials,
                  struct error *err);
bool auth_file_remove(struct auth_file *file, const char *host); /* was there */

#endif
