/* look — a root file system that is mounted to be looked at, before the right to mount is given up.
 */
#ifndef UNPACK_LOOK_H
#define UNPACK_LOOK_H

#include "protocol/error.h"

/* What `mounts` describe (mounts_text.h), on FOLDER/lower. */
int look_mount(const char *folder, const char *mounts, struct error *err);

#endif
