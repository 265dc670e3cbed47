/* load — images out of archives; see load.c and docker.c. */
#ifndef TOOLS_GANTRY_ARCHIVE_LOAD_H
#define TOOLS_GANTRY_ARCHIVE_LOAD_H

#include <jansson.h>

#include "tools/gantry/archive/blobs.h"

#define DOCUMENT_MAX (4u << 20) /* bytes of what leads to the images (CVE-2023-25153) */

/* A file of the archive that was sent on, by its name there; or a link to another. */
struct kept {
    const char *name;
    const char *target; /* another name; NULL: `sent` counts */
    struct sent sent;
};

struct load {
    struct cli *cli;
    const char *from; /* as people know it */
    const char *name; /* of what has none of its own; may be NULL */
    const char *driver; /* to unpack for; NULL: the default one */
    bool no_unpack, quiet;
    struct bin index, docker; /* index.json and manifest.json; data NULL: not there */
    struct bin layout;        /* oci-layout */
    struct kept *files;       /* in no order */
    size_t count, room;
    size_t loaded;
};

/* Names it, and says so. */
int load_adopt(struct load *load, const char *name, const struct descriptor *target,
               struct error *err);
/* What was kept under this name, links followed; NULL: nothing. */
const struct kept *load_find(const struct load *load, const char *name);

/* docker.c: the images of manifest.json. */
int load_docker(struct load *load, struct error *err);

#endif
