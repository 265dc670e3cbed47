/*
 * tar — entries of a tar, POSIX's pax form (pax(1)): what fits into an old header stands there, the
 * rest in records before it.
 *
 * The same entry always gives the same bytes: no user names, no times but that of the last write,
 * the records in one order.  Attributes are SCHILY.xattr.NAME records, as everybody has them.
 */
#ifndef PACK_TAR_H
#define PACK_TAR_H

#include <sys/types.h>
#include <time.h>

#include "platform/linux/pack/sink.h"

struct tar_xattr {
    const char *name;
    const void *value;
    size_t size;
};

struct tar_entry {
    const char *path; /* relative; a folder's ends in a slash */
    mode_t mode;      /* with its type; with `is_link` of the file that it is a name of */
    bool is_link;     /* a hard link to `target` */
    uid_t uid;
    gid_t gid;
    uint64_t size; /* of a file's bytes, which follow */
    struct timespec mtime;
    const char *target;
    dev_t device;
    const struct tar_xattr *xattrs; /* by name */
    size_t xattr_count;
};

int tar_header(struct sink *sink, const struct tar_entry *entry, struct error *err);
/* Behind the bytes of a file: up to the next block. */
int tar_pad(struct sink *sink, uint64_t size, struct error *err);
int tar_end(struct sink *sink, struct error *err);

#endif
