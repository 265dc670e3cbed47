/* mounts — -v, --mount and --tmpfs as the schema's mounts. */
#ifndef TOOLS_GANTRY_MOUNTS_H
#define TOOLS_GANTRY_MOUNTS_H

#include "protocol/schema.h"

/* All INVALID_ARGUMENT.  Texts live in the arena. */

/* /source:/target[:ro,rslave,...], NAME:/target[:ro,nocopy] or /target, an anonymous volume */
int mount_of_volume(const char *text, struct mount *mount, struct arena *arena, struct error *err);
/* type=bind,source=/a,target=/b,readonly,bind-propagation=rslave;
 * type=tmpfs,target=/c,tmpfs-size=64m;
 * [type=volume,]source=NAME,target=/d,readonly,volume-nocopy */
int mount_of_fields(const char *text, struct mount *mount, struct arena *arena, struct error *err);
/* /target[:size=64m,mode=1777] */
int mount_of_tmpfs(const char *text, struct mount *mount, struct arena *arena, struct error *err);

#endif
