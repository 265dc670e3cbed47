/*
 * mount_check — what a plugin wants mounted, looked at before anybody does it.
 *
 * A plugin runs as root and was set up by root, so this keeps no enemy out: it keeps mistakes from
 * becoming a container whose root file system is the host's /etc.  What is not known to be right is
 * refused, by name.
 */
#ifndef PLATFORM_LINUX_PLUGIN_MOUNT_CHECK_H
#define PLATFORM_LINUX_PLUGIN_MOUNT_CHECK_H

#include "protocol/schema.h"

struct mount_rules {
    const char *root; /* where everything has to come from; NULL: from no folder of the system */
    const char *const *own; /* folders of the daemon; ends with NULL */
};

/* INVALID_ARGUMENT or UNIMPLEMENTED, and what is wrong with which of them. */
int mounts_check(const struct list *mounts, const struct mount_rules *rules, struct error *err);

#endif
