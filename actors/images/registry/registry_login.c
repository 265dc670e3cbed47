/*
 * registry_login — whether a registry takes these credentials.
 *
 * The happy path is a GET of /v2/, where every registry says whether it speaks this protocol and
 * who may.  A token service that is asked on the way is also asked for a token for the next time,
 * so that no password need be kept.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/fetch.h"
#include "platform/platform.h"
#include "platform/scope.h"

/* What it says besides means nothing. */
static int on_data(void *ctx, const void *data, size_t size, struct error *err)
{
    (void)ctx, (void)data, (void)size, (void)err;
    return 0;
}

int registry_login(struct registry *registry, const struct registry_caller *caller,
                   struct registry_login *out, struct error *err)
{
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    char what[320];
    struct fetch fetch = { .what = what, .data = on_data, .offline = true };
    bool may_pass;

    *out = (struct registry_login){ 0 };
    snprintf(what, sizeof(what), "login to %s", registry->options.host);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (fetch_try(&line, &fetch, caller, &may_pass, err) < 0)
        if (!may_pass || retry_wait(&retry, line.http, caller, err) < 0)
            return -1;
    out->asked = atomic_load(&registry->auth.newest) != NULL;
    out->identity_token = atomic_exchange(&registry->auth.identity, NULL);
    return 0;
}
