/*
 * auth_helper — the programs docker-credential-NAME, which keep credentials in a safer place.
 *
 * One word as argument (get, store, erase), the rest on standard input, the answer on standard
 * output:
 * {"ServerURL", "Username", "Secret"}, where the user <token> says that the secret is an identity
 * token. Such a program may do anything: hang (it has 10 seconds), fail, print nonsense.  What it
 * prints when it succeeds is never shown.
 */
#ifndef TOOLS_GANTRY_AUTH_HELPER_H
#define TOOLS_GANTRY_AUTH_HELPER_H

#include "tools/gantry/credentials.h"

/* `file` names it and is named in errors.  `server` as docker writes it.  1: found; 0: it knows
 * none. */
int auth_helper_get(const char *name, const char *file, const char *server, struct arena *arena,
                    struct credentials *out, struct error *err);
int auth_helper_store(const char *name, const char *file, const char *server,
                      const struct credentials *credentials, struct error *err);
/* 1: erased; 0: it knew none. */
int auth_helper_erase(const char *name, const char *file, const char *server, struct error *err);

#endif
