/*
 * serve — the far end of registry.h: requests that come over a channel, each answered by a
 * thread of its own (protocol/fetch_wire.h).
 *
 * The idea: nothing is decided here.  What registry_manifest() and registry_blob() say goes back
 * as it is; bytes are gathered to full packets, and sent sooner when they come slowly.
 */
#ifndef ACTORS_IMAGES_REGISTRY_SERVE_H
#define ACTORS_IMAGES_REGISTRY_SERVE_H

#include "protocol/error.h"

/* Until the channel is closed: 0.  Requests may still be under way then; end the process.
   -1: what came is no request. */
int serve_requests(int channel, struct error *err);

#endif
