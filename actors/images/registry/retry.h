/*
 * retry — when to ask again, and when to let it be.
 *
 * Waits grow twofold from try to try, with as much chance in them as certainty, so that many
 * clients of a registry that fell over do not come back in step.  What the server asks for
 * (Retry-After) is honoured, up to a limit: beyond it the user should hear of it now.
 */
#ifndef ACTORS_IMAGES_REGISTRY_RETRY_H
#define ACTORS_IMAGES_REGISTRY_RETRY_H

#include "actors/images/registry/http.h"

struct retry {
    const struct registry_options *options;
    unsigned failed; /* tries in a row */
};

/* Something was achieved: counting begins anew. */
void retry_progress(struct retry *retry);

/*
 * After a failed try that may pass; `err` holds why.  0 after the wait, to try again; -1 when that
 * was the last try (the error says so), or when check says so (the error is its).
 */
int retry_wait(struct retry *retry, struct http *http, const struct registry_caller *caller,
               struct error *err);

/* The wait before try number `failed` + 1, in ms; `chance` is 0 to 255. */
uint64_t retry_delay_ms(unsigned backoff_ms, unsigned failed, unsigned chance);

#endif
