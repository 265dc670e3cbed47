/* volumes_from — --volumes-from: a new container gets the volumes and binds of another one. */
#ifndef TOOLS_GANTRY_VOLUMES_FROM_H
#define TOOLS_GANTRY_VOLUMES_FROM_H

#include "tools/gantry/command.h"

/* Adds to `mounts` (records mount, in the arena); what the user mounts at a place himself wins,
   then the container that is named first.  Asks the daemon. */
int volumes_from(struct cli *cli, const struct args *args, struct list *mounts, struct error *err);

#endif
