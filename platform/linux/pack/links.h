/*
 * links — files with several names, by their inodes.
 *
 * A layer tells a file once, and its other names as links to that.  If one name has changed or is
 * new, all of them are told, or the others would go on naming the old file.  So those that
 * have not changed wait here until it is known.
 */
#ifndef PACK_LINKS_H
#define PACK_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "protocol/error.h"

struct link_group {
    dev_t device;
    ino_t inode;
    char *told;     /* the name under which the file was told; NULL: not yet */
    char **waiting; /* names that have not changed */
    size_t count, room;
    struct link_group *next;
    dev_t was_device; /* the one file that this was before, as far as its names so far say */
    ino_t was_inode;
    bool is_paired;
};

#define LINK_BUCKETS 4096

struct links {
    struct link_group *now[LINK_BUCKETS], *before[LINK_BUCKETS];
};

/* Made where there is none. */
struct link_group *links_group(struct links *links, const struct stat *st, struct error *err);
int links_wait(struct link_group *group, const char *path, struct error *err);
int links_told(struct link_group *group, const char *path, struct error *err);
/* False: a name that was one of `was` and is one of `st` says that names have come together or
 * apart. */
bool links_pair(struct links *links, const struct stat *was, const struct stat *st);

#endif
