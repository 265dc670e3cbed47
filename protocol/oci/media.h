/*
 * media — what a media type says about a blob (image-spec media-types.md).
 *
 * OCI and Docker name the same things differently; here they are one table.  A
 * type that is not in it is nothing to be afraid of: it is stored and copied as
 * it is, only never unpacked.
 */
#ifndef PROTOCOL_OCI_MEDIA_H
#define PROTOCOL_OCI_MEDIA_H

#include <stdbool.h>

#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_EMPTY       "application/vnd.oci.empty.v1+json"
#define MEDIA_DOCKER_INDEX    "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"

enum media_kind {
    MEDIA_UNKNOWN,
    MEDIA_INDEX,
    MEDIA_MANIFEST,
    MEDIA_CONFIG, /* of an image; configs of artifacts are unknown */
    MEDIA_LAYER,
    MEDIA_EMPTY, /* {} */
};

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct media {
    enum media_kind kind;
    enum compression compression; /* of layers */
    bool foreign; /* a layer that registries need not have: see the descriptor's urls */
    bool docker;  /* Docker's spelling */
};

/* NULL is unknown.  Parameters ("; charset=utf-8") and case do not matter. */
struct media media_of(const char *type);

/* Both are the same type, parameters and case apart.  NULL is like nothing. */
bool media_equal(const char *a, const char *b);

const char *compression_name(enum compression compression); /* "none", "gzip", "zstd" */

#endif
