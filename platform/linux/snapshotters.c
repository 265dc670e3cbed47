/* The snapshot drivers that Linux has. */
#include "platform/linux/overlay.h"

const struct snapshotter *const snapshotters[] = { &overlay_snapshotter, NULL };
