/*
 * mounted — trees that have to be mounted before they are read or written: a plugin's.
 *
 * It is done before anything is given up (confine.h), for this process alone, and goes with it.
 */
#ifndef UNPACK_MOUNTED_H
#define UNPACK_MOUNTED_H

#include "protocol/error.h"

/* What a snapshot driver describes as `text` (mounts_text.h), on the folder `name` in `folder`, which is made
   where it is not there.  Nothing in it is a device, or may be started. */
int mounted_make(const char *folder, const char *name, const char *text, struct error *err);

#endif
