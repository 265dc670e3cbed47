/*
 * gantry-fetch — asks registries, so that the daemon need not listen to them.
 *
 * One process per pull or push.  It alone links an HTTP and TLS library.  It answers the daemon's
 * requests over the channel that is its stdin until that is closed.  What it is told, passwords
 * among it, stands neither in its arguments nor in its environment.
 */
#include <stdio.h>
#include <string.h>

#include "actors/images/registry/serve.h"
#include "platform/channel.h"
#include "platform/platform.h"

static int run(struct error *err)
{
    process_memory_setup();
    process_yield();
    return serve_requests(CHANNEL_STDIN, err);
}

int main(int argc, char **argv)
{
    struct error err = { 0 };

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("gantry-fetch " GANTRY_VERSION);
        return 0;
    }
    if (run(&err) < 0) {
        fprintf(stderr, "gantry-fetch: %s\n", err.text);
        process_end(1);
    }
    process_end(0); /* requests may be under way: nobody waits for them */
}
