/*
 * procfs — files of /proc, when it is written to and /proc may be anybody's.
 *
 * An image or a mount can put something else at /proc, at a folder in it or at one file, so
 * that what a runtime writes (labels, sysctls, attributes) goes nowhere, or somewhere bad
 * (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).  Here /proc is seen to be the root of a
 * procfs on its descriptor, and below it no mount and no link that leads out is crossed.
 */
#ifndef RUNTIME_PROCFS_H
#define RUNTIME_PROCFS_H

#include "protocol/error.h"

/* `path` is relative to /proc ("sys/net/ipv4/ip_forward", "self/attr/exec"); -1: see err
   (FAILED_PRECONDITION: there is something else; err->os of open otherwise). */
int procfs_open(const char *path, int flags, struct error *err);

#endif
