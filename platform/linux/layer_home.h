/*
 * layer_home — the folder of a layer, which is the same for all drivers.
 *
 *      <root>/snapshots/<number>/fs      what the layer holds
 *      <root>/snapshots/<number>/...     what else its driver needs
 *
 * The number alone says where a layer lies, so everybody who only looks (users of an image, the
 * unpacker) need not know whose it is.
 */
#ifndef PLATFORM_LINUX_LAYER_HOME_H
#define PLATFORM_LINUX_LAYER_HOME_H

#include "platform/platform.h"
#include "protocol/schema.h"

/* `below` begins with a slash, or is empty. */
int layer_place(const char *folder, uint64_t number, const char *below, char path[PATH_SIZE],
                struct error *err);
/* As snapshotter.remove and snapshotter.each_layer. */
int layer_put_away(const char *folder, uint64_t number, const char *away, struct error *err);
int layer_each(const char *folder, int (*each)(void *ctx, uint64_t number, struct error *err),
               void *ctx, struct error *err);

/* Appends to a list of records mount; the path is copied. */
void layer_add_mount(struct list *mounts, const struct mount *mount, struct arena *arena);
void layer_add_bind(struct list *mounts, const char *path, bool read_only, struct arena *arena);

#endif
