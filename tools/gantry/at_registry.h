/*
 * at_registry — what the daemon does at a registry on the user's behalf: as whom, and with its
 * progress shown.  For all commands that name an image elsewhere.
 */
#ifndef TOOLS_GANTRY_AT_REGISTRY_H
#define TOOLS_GANTRY_AT_REGISTRY_H

#include "tools/gantry/command.h"
#include "tools/gantry/credentials.h"
#include "tools/gantry/mirrors.h"

/* Copied into the request of the operation. */
struct at_registry {
    const char *username, *password, *identity_token, *registry_token;
    struct credentials known; /* where it is not the command line that says who */
    struct mirrors mirrors;   /* what is kept for the other hosts */
};

/* Who asks: what --username and --password-stdin say, else what is kept for the reference's
   registry. Connects. */
int at_registry_who(struct cli *cli, const struct args *args, const char *reference,
                    struct at_registry *who, struct error *err);

/* What is kept for the reference's registry and its other hosts, and nothing else. */
int at_registry_known(struct cli *cli, const char *reference, struct at_registry *who,
                      struct error *err);

void at_registry_wipe(struct at_registry *who);

/* Calls; wipes what is secret.  An error says as whom. */
int at_registry_call(struct cli *cli, struct at_registry *who, bool quiet, const struct op *op,
                     const void *in, void *out, struct error *err);

#endif
