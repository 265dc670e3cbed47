/*
 * The command without the engine: where one is needed it becomes gantry-embedded, the same
 * command with it.  So the everyday command does not load what only an engine uses.
 */
#include "platform/platform.h"
#include "tools/gantry/embedded.h"

int embedded_start(const struct embedded_options *options, const char **endpoint, struct error *err)
{
    char path[PATH_SIZE];

    (void)endpoint;
    if (program_find("gantry-embedded", path, err) < 0)
        return error_wrap(err, "run the engine inside this command");
    return process_become(path, options->argv, err);
}

void embedded_end(struct gantry **own)
{
    gantry_close(own);
}
