/* pull — bringing an image here with its progress shown; for pull, run and create. */
#ifndef TOOLS_GANTRY_PULL_H
#define TOOLS_GANTRY_PULL_H

#include "tools/gantry/command.h"

int pull_image(struct cli *cli, const struct images_pull_request *request, bool quiet,
               struct images_pull_reply *reply, struct error *err);

/* What --pull says: always, missing (also NULL) or never.  1: pulled, 0: it was here. */
int pull_by_policy(struct cli *cli, const struct images_pull_request *want, const char *policy,
                   bool quiet, struct error *err);

#endif
