/*
 * place — where the helper stands: the trees it is to look at, and nothing else.
 *
 * In a mount namespace of its own, with an empty root that the trees are mounted in, all that can
 * be read-only and no device, program or setuid bit of any use.  Or in a copy of another
 * process's namespace, which sees what a container sees, and cannot be left either: its names are
 * resolved here, within a folder that is open.
 */
#ifndef PACK_PLACE_H
#define PACK_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "platform/linux/pack/ids.h"
#include "protocol/record.h"

struct pair {
    int before, after; /* open folders; before -1: an empty one */
    struct ids before_ids, after_ids;
    bool is_upper; /* `after` is what overlayfs has written on top of `before` */
};

/* Both arguments as in protocol.h. */
int place_pair(const char *before, const char *after, struct pair *pair, struct error *err);
/* Mounts, or "pid N".  *root: an open folder.  `writing`: of mounts, they can be written. */
int place_root(const char *root_text, bool writing, int *root, struct ids *ids, struct error *err);

/* openat2() within `fd`, following no links. */
int open_within(int fd, const char *path, int flags);

/*
 * Where `path` leads, as text without links; of a link at its end only with `follow` (or a slash
 * behind it) where that leads.  "" is the root.  NOT_FOUND names what is missing.
 */
int place_resolve(int root, const char *path, bool follow, char resolved[PATH_MAX],
                  struct error *err);

#endif
