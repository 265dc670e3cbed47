/* changes — lines of a Dockerfile that change an image's config, as --change of import and commit
   takes them. */
#ifndef PROTOCOL_OCI_CHANGES_H
#define PROTOCOL_OCI_CHANGES_H

#include <jansson.h>

#include "protocol/error.h"
#include "protocol/record.h"

/* CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR; `config` is the
   member of that name in an image config.  INVALID_ARGUMENT names the line. */
int changes_apply(json_t *config, const struct strs *lines, struct error *err);

#endif
