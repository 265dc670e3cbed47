/*
 * network — what a container's network namespace is given: loopback, and devices of the host.
 */
#ifndef RUNTIME_NETWORK_H
#define RUNTIME_NETWORK_H

#include <sys/types.h>

#include "platform/linux/runtime/place.h"

/* In the namespace: brings "lo" up. */
int loopback_up(struct error *err);

/* linux.netDevices (runtime-spec 1.3, config-linux "Network Devices"). */
int net_devices_check(const struct place *linux_, bool has_namespace, struct error *err);
/* From the host: moves them to the namespace of `pid`, under their new names, with the
   addresses they had, and brings them up. */
int net_devices_move(const struct place *linux_, pid_t pid, struct error *err);

#endif
