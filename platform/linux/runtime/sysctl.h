/*
 * sysctl — linux.sysctl: kernel settings of the container's own namespaces.
 *
 * Which namespace a setting belongs to is known by its name; one that belongs to none, or to
 * a namespace that is shared with the host, would change the host and is refused.
 */
#ifndef RUNTIME_SYSCTL_H
#define RUNTIME_SYSCTL_H

#include "platform/linux/runtime/place.h"

/* `own` are the CLONE_NEW... of namespaces that the container does not share with us. */
int sysctls_check(const struct place *linux_, unsigned own, struct error *err);
/* In the namespaces, and while the host's /proc can still be reached: what the container has at
   /proc may be anything. */
int sysctls_write(const struct place *linux_, struct error *err);

#endif
