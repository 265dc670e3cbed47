/*
 * entry — one thing that a layer wants to be there, with names checked and cleaned.
 */
#ifndef UNPACK_ENTRY_H
#define UNPACK_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct xattr {
    const char *name;
    const void *value;
    size_t size;
};

struct entry {
    const char *path; /* clean: no leading slash, no dots, "" is the root */
    mode_t type;      /* S_IFREG ...; 0: hard link */
    mode_t mode;      /* 07777 */
    uid_t uid;
    gid_t gid;
    dev_t device;
    struct timespec mtime;
    const char *target; /* symlink: as it came; hard link: clean */
    const struct xattr *xattrs;
    size_t xattr_count;
};

#endif
