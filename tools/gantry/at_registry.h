/*
 * at_registry — what the daemon does at a registry on the user's behalf: as whom, and with its
 * progress shown.  For all commands that name an image elsewhere.
 */
#ifndef TOOLS_GANTRY_AT_REGISTRY_H
#define TOOLS_GANTRY_AT_REGISTRY_H

#include "tools/gantry/command.h"

/* Whom the command line names: copied into the request of the operation.  NULL: nobody, so what is
   kept counts, if the registry wants to know. */
struct at_registry {
    const char *username, *password;
};

/* What --username and --password-stdin say.  Connects. */
int at_registry_who(struct cli *cli, const struct args *args, struct at_registry *who,
                    struct error *err);

/* Calls an `askable` operation, and answers when it is asked.  An error says as whom. */
int at_registry_call(struct cli *cli, const struct at_registry *who, bool quiet,
                     const struct op *op, const void *in, void *out, struct error *err);

#endif
