/*
 * prune — removing what is not in use: which things, and how much was had back.
 *
 * What goes is what the filters leave of stopped containers, of images that no container was made
 * from, and of downloads that were broken off.  The daemon is asked for each removal as by hand, so
 * what is taken into use meanwhile stays.
 */
#ifndef TOOLS_GANTRY_PRUNE_H
#define TOOLS_GANTRY_PRUNE_H

#include "tools/gantry/command.h"

struct prune {
    struct cli *cli;
    struct strs filters; /* the protocol's; labels of docker's are among them */
    int64_t until;       /* only what was made before; 0: whenever */
    json_t *removed;     /* {"containers": [...], ...} */
    int failed;          /* 1: something would not go, and was told */
    uint64_t before;     /* bytes, when it began */
};

/* Reads --filter, asks on the terminal unless --force is given, and measures.  `what` is what the
   question says, a line each.  1: not wanted. */
int prune_begin(struct prune *prune, struct cli *cli, const struct args *args, const char *what,
                struct error *err);
int prune_containers(struct prune *prune, struct error *err);
int prune_images(struct prune *prune, bool all, struct error *err);
int prune_volumes(struct prune *prune, struct error *err); /* anonymous ones */
int prune_downloads(struct prune *prune, struct error *err);
/* Runs the collector, and says what went; the exit status. */
int prune_end(struct prune *prune, struct error *err);

#endif
