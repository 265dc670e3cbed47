/*
 * fetcher — the process gantry-fetch, as the daemon sees it.
 *
 * It listens to strangers, so it is held for one of them: it may die, hang up or say anything
 * at any time, and then the requests that wait for it fail with a sentence that names it.  One per
 * opened registry, so what a registry does to it no other pull notices.
 */
#ifndef ACTORS_IMAGES_FETCHER_H
#define ACTORS_IMAGES_FETCHER_H

#include "actors/images/registry.h"
#include "platform/platform.h"
#include "protocol/fetch_wire.h"

struct fetcher {
    struct child child;
    int channel; /* all requests go this way */
};

/* Starts it and tells it the options.  NOT_FOUND: the program is not installed. */
int fetcher_start(struct fetcher *fetcher, const struct registry_options *options,
                  struct error *err);
/* Kills and reaps it; one that never started is fine. */
void fetcher_stop(struct fetcher *fetcher);

/* Sends a request, and the open file that it is about (-1: none); its answer comes over `channel`,
   the caller's to close.  Any thread may. */
int fetcher_ask(const struct fetcher *fetcher, const struct fetch_ask *ask, int file, int *channel,
                struct error *err);

/* After it went silent: sets the error that says how it ended.  Always -1; may wait a second. */
int fetcher_gone(const struct fetcher *fetcher, struct error *err);

#endif
