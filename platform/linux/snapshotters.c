/* The snapshot drivers that Linux has. */
#include "platform/linux/drivers.h"

const struct snapshotter *const snapshotters[] = { &overlay_snapshotter, &native_snapshotter,
                                                   &btrfs_snapshotter, NULL };
