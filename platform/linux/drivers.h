/* drivers — the snapshot drivers that Linux has; each file says how it does it. */
#ifndef PLATFORM_LINUX_DRIVERS_H
#define PLATFORM_LINUX_DRIVERS_H

#include "platform/snapshotter.h"

extern const struct snapshotter overlay_snapshotter, native_snapshotter, btrfs_snapshotter;

#endif
