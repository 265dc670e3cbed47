/*
 * The command without the engine: where one is needed it becomes gantry-embedded, the same
 * command with it.  So the everyday command does not load what only an engine uses.
 */
#include <stdlib.h>

#include "platform/platform.h"
#include "platform/terminal.h"
#include "tools/gantry/embedded.h"

int embedded_start(const struct embedded_options *options, const char **endpoint, struct error *err)
{
    char path[PATH_SIZE];

    (void)endpoint;
    if (program_find("gantry-embedded", path, err) < 0)
        return error_wrap(err, "run the engine inside this command");
    return process_become(path, options->argv, err);
}

/* All has been said and heard.  libzmq would take a millisecond to end its threads and sockets,
   which the system does in less; a leak checker wants it done properly. */
int embedded_end(struct gantry **own, int status)
{
#ifndef __SANITIZE_ADDRESS__
    if (*own != NULL) {
        terminal_restore();
        quick_exit(status);
    }
#endif
    gantry_close(own);
    return status;
}
