/*
 * embedded — the engine inside this command, where no daemon runs.
 *
 * Who holds the state lock is the engine.  When another process holds it, a daemon or a
 * command like this one, this command becomes its client.
 */
#ifndef TOOLS_GANTRY_EMBEDDED_H
#define TOOLS_GANTRY_EMBEDDED_H

#include <stdbool.h>

#include "protocol/client/gantry.h"

struct embedded_options {
    const char *config, *root, *state; /* NULL: as the daemon's */
    bool debug;
    char *const *argv; /* of this process */
};

/*
 * Starts the engine (after becoming gantry-embedded, which has one), says so in one line on stderr,
 * and gives the endpoint to connect to: its own, or that of the engine that is there already.  Call
 * before there are threads.
 */
int embedded_start(const struct embedded_options *options, const char **endpoint,
                   struct error *err);
/* Closes our own client.  An engine of ours stays until the clients of others have gone, or a
   signal comes, then it stops; containers stay with their shims.  What main() has to return; without
   an engine it may end the process itself: output has to be written before. */
int embedded_end(struct gantry **own, int status);

#endif
