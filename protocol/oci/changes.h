/* changes — lines of a Dockerfile that change an image's config, as --change of import and commit
   takes them. */
#ifndef PROTOCOL_OCI_CHANGES_H
#define PROTOCOL_OCI_CHANGES_H

#include <jansson.h>

#include "protocol/error.h"
#include "protocol/record.h"

/* CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR; `config` is the
   member of that name in an image config.  INVALID_ARGUMENT names the line. */
/* An ENTRYPOINT takes away the old Cmd, which was for another one, unless a CMD came before it; an
   empty one does not.  So it is in a Dockerfile. */
int changes_apply(json_t *config, const struct strs *lines, struct error *err);

/* Env: KEY=VALUE in the place of the one with this KEY. */
void config_env_put(json_t *config, const char *pair);

#endif
