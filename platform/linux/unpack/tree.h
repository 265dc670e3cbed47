/*
 * tree — the folder that is filled, and how one gets about in it.
 *
 * No name of a layer is ever given to the kernel as a path that could leave the
 * tree: folders are opened with openat2() relative to the tree's root, links and
 * magic links refused, and everything else is done relative to an open folder
 * by a name without a slash.  Links in paths are followed here, as text, within
 * the root; so a folder has one path only, and a small cache of open folders is
 * enough to make most files in four system calls.
 *
 * Folders get their time last: when they leave the cache.
 */
#ifndef UNPACK_TREE_H
#define UNPACK_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "platform/linux/layer_marks.h"
#include "protocol/error.h"

#define FOLDERS 32

struct folder {
    char *path; /* without links; "" is the root; NULL: free */
    size_t length;
    size_t room;
    int fd;
    uint64_t used;         /* the last time, in calls */
    uint64_t id;           /* differs for every folder opened */
    struct timespec mtime; /* what it shall have in the end */
    bool touched;          /* something in it was changed since it had that */
    bool gives_group;      /* setgid: what is made in it gets its group */
};

struct deferred;
struct ids;

struct tree {
    int lower; /* the merged parents, read-only; -1: not there yet */
    bool base; /* there are no parents */
    bool merging; /* into what somebody uses: folders that are there stay as they are, and a folder
                     and anything else do not take each other's place */
    char prefix[PATH_MAX]; /* where all entries go */
    const struct ids *owners; /* an entry's owner is who it is in the container; NULL: as it stands there */
    bool stitching;
    bool default_acl; /* some folder has an ACL that files in it inherit */
    bool root_named;
    bool doubt; /* the last failure may be one only because the parents are not in sight */
    struct timespec entry_time; /* of the entry at hand: folders that nobody names get it */
    struct deferred *deferred;
    uint64_t size, inodes; /* what is in it */
    uint64_t max_inodes;   /* made in all; 0: no limit */
    uint64_t made;
    uint64_t clock, ids;
    struct folder top; /* the root */
    struct folder folders[FOLDERS];
    struct {
        char path[PATH_MAX]; /* a folder's path as the layer last wrote it ... */
        uint64_t id;         /* ... and the folder that it means; 0: none */
        struct folder *folder;
    } last;
};

/* `root` is an open folder; takes it. */
int tree_open(struct tree *tree, int root, int lower, bool base, struct error *err);
/* Gives all folders their times. */
int tree_close(struct tree *tree, struct error *err);
/* Makes it an empty folder of root's with mode 0755. */
int tree_empty(struct tree *tree, struct error *err);

/* The folder with this real path (no links).  NOT_FOUND when there is no such folder.
   Good until the next but one call of this kind. */
int tree_folder(struct tree *tree, const char *path, struct folder **folder, struct error *err);
/* The folder that `path` leads to, through links; makes what is missing. */
int tree_folder_make(struct tree *tree, const char *path, struct folder **folder,
                     struct error *err);
/* The same, making nothing: NOT_FOUND. */
int tree_folder_find(struct tree *tree, const char *path, struct folder **folder,
                     struct error *err);
/* The folder in which `path` lies, made if it is missing, and the name in it. */
int tree_parent(struct tree *tree, const char *path, struct folder **parent, const char **name,
                struct error *err);
/* A folder that was just made in `parent`. */
int tree_folder_enter(struct tree *tree, struct folder *parent, const char *name,
                      struct folder **folder, struct error *err);

/* Removes what is there, a folder with all in it. */
int tree_remove(struct tree *tree, struct folder *parent, const char *name, struct error *err);
/* Removes all that is in an open folder, which stays. */
int tree_folder_empty(struct tree *tree, struct folder *folder, struct error *err);
/* Counts a thing that was made, or is removed (st_nlink <= 1). */
int tree_count(struct tree *tree, mode_t type, uint64_t size, struct error *err);
void tree_discount(struct tree *tree, const struct stat *st);

/* Sets INVALID_ARGUMENT, and tree->doubt. */
int tree_doubt(struct tree *tree, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Is it hidden what the parents have in this folder; in this real path, an ancestor's mark
   included? */
int fd_is_opaque(int fd, bool *opaque, struct error *err);
int tree_hides(struct tree *tree, const char *path, bool *hides, struct error *err);
bool is_whiteout(const struct stat *st);

/* What the parents have at this real path: *fd is an O_PATH descriptor, -1 when there is nothing.
 */
int lower_open(struct tree *tree, const char *path, int *fd, struct stat *st, struct error *err);

/* Real path of `name` in `folder`. */
int folder_path(const struct folder *folder, const char *name, char path[PATH_MAX],
                struct error *err);
/* openat2() within `fd`, following nothing. */
int open_inside(int fd, const char *path, int flags);

#endif
