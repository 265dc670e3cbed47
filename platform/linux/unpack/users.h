/*
 * users — the image's /etc/passwd and /etc/group, copied out for the daemon.
 *
 * Links are followed within the image.  What is not a regular file of at most
 * 1 MiB is an error; what is not there is not there.
 */
#ifndef UNPACK_USERS_H
#define UNPACK_USERS_H

#include "protocol/error.h"

/* From the merged image `lower` to the folder `out`. */
int users_copy(int lower, int out, struct error *err);

#endif
