/*
 * overlay — layers as folders, put on top of each other by the kernel's overlay.
 *
 *      <root>/snapshots/<number>/fs      what the layer holds; the upper of an active one
 *      <root>/snapshots/<number>/work    the kernel's own, beside an upper
 *
 * Paths in mounts are absolute; who mounts more layers than a page of options holds
 * changes into the common folder first, which is why the numbers are all that differs.
 */
#ifndef PLATFORM_LINUX_OVERLAY_H
#define PLATFORM_LINUX_OVERLAY_H

#include "platform/snapshotter.h"

extern const struct snapshotter overlay_snapshotter;

#endif
