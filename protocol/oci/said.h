/*
 * said — what a container was told, as an image's config has it: the image that is made of it runs
 * as the container did.
 *
 * As docker has it: what the user said goes over what the image says.  What nobody said (defaults of
 * ours, a host name, a PATH) is in the spec and in no image.  A container that was made from a spec
 * instead of an image is told by that alone.
 */
#ifndef PROTOCOL_OCI_SAID_H
#define PROTOCOL_OCI_SAID_H

#include <jansson.h>

#include "protocol/schema.h"

/* `config` is the member of that name in an image's config.  The container's record is whole, with its
   spec.  INVALID_ARGUMENT: the spec is none. */
int said_apply(json_t *config, const struct container_info *container, struct error *err);

#endif
