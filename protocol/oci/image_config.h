/*
 * image_config — what an image says about itself (image-spec config.md).
 *
 * The reading of a foreign document: texts are as found, absent ones NULL; they
 * are defaults for a container and nothing else.  In particular the labels are
 * the image's and never become labels that steer gantry.
 */
#ifndef PROTOCOL_OCI_IMAGE_CONFIG_H
#define PROTOCOL_OCI_IMAGE_CONFIG_H

#include "protocol/oci/platform.h"
#include "protocol/record.h"

#define IMAGE_CONFIG_BYTES_MAX (8u << 20)
#define DIFF_IDS_MAX           1000

struct image_config {
    struct platform platform; /* normalised; parts may be "" */
    const char *os;           /* as found */
    const char *architecture;
    const char *variant;
    const char *os_version;
    struct strs os_features;
    const char *author;
    const char *created;  /* RFC 3339, as found */
    struct strs diff_ids; /* lowest first; digests by the grammar */

    /* the section `config` */
    const char *user;
    struct strs env;
    struct strs entrypoint;
    struct strs cmd;
    const char *working_dir;
    struct map labels;
    const char *stop_signal;
    struct strs volumes;       /* paths */
    struct strs exposed_ports; /* "80/tcp" */
    bool has_healthcheck;
    bool args_escaped; /* Windows: entrypoint and cmd are a command line already */
};

/*
 * What `out` points to is in the arena.  Errors: DATA_LOSS (malformed, no rootfs of
 * layers), RESOURCE_EXHAUSTED (the bounds above).
 */
int image_config_parse(const void *bytes, size_t size, struct arena *arena,
                       struct image_config *out, struct error *err);

#endif
