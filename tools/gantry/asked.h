/*
 * asked — who the user is at hosts, looked up when the daemon asks.
 *
 * While a request is open the daemon asks about each host that does not let everybody in, and about
 * no other: so no helper is run, and no file is read, for what is public.  A helper may take its
 * time, so it is waited for by a thread, and the daemon hears from us meanwhile.
 */
#ifndef TOOLS_GANTRY_ASKED_H
#define TOOLS_GANTRY_ASKED_H

#include "tools/gantry/command.h"

struct asked_host;

struct asked {
    struct cli *cli;
    bool named; /* the command line says who: nobody else is meant when that one is refused */
    struct asked_host *hosts; /* newest first */
    struct error failed;      /* a look-up did; ERROR_NONE: none */
};

/* From here on the calls of this client are answered. */
void asked_begin(struct asked *asked, struct cli *cli, bool named);
/* No more; wipes what was found. */
void asked_end(struct asked *asked);

/* A request has failed: whose fault it was, and who was refused, as far as that is known here. */
void asked_explain(const struct asked *asked, struct error *err);

#endif
