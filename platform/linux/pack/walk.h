/*
 * walk — two trees side by side: what was added, changed and removed.
 *
 * In the order of names, byte by byte, so that the same trees always give the same; in each folder
 * what was removed comes first.  A folder is told before what is in it.
 *
 * Two things are the same that have the same type, mode, owner, device, attributes and link, and
 * that were written last at the same time, with the same size.  A time in whole seconds proves
 * little (an archive may have set it), so then the bytes are compared.
 */
#ifndef PACK_WALK_H
#define PACK_WALK_H

#include "platform/linux/pack/attributes.h"
#include "platform/linux/pack/place.h"

/* An open folder on the way down; the root is the first. */
struct level {
    struct level *above; /* NULL: the root */
    int before, after;   /* before -1: there was no such folder */
    const char *name;    /* in the folder above */
    size_t length;       /* of its path */
    struct stat st;
    bool is_upper; /* as in struct pair */
    bool told;     /* for whoever is told: that this folder is written already */
};

enum change { CHANGE_NONE, CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_REMOVED };

struct spot {
    enum change change;
    const char *path; /* "" is the root */
    const char *name;
    struct level *in;      /* the folder; NULL: it is the root itself */
    struct level *own;     /* of a folder: its own */
    const struct stat *st; /* as it is; NULL: removed */
    const struct stat *was;
    bool only_time; /* a folder that has changed in nothing but its time */
};

struct walk {
    struct pair trees;
    char *const
        *excluded; /* paths that are left out where they are new and empty; ends with NULL */
    /* Told of everything, also of what has not changed.  */
    int (*one)(void *ctx, const struct spot *spot, struct error *err);
    /* Of a folder, all that was in it is gone (at least two things): one word says that. */
    int (*emptied)(void *ctx, const struct spot *folder, struct error *err);
    /* Two names, one file, before and now?  False: the name counts as changed.  May be NULL. */
    bool (*links_same)(void *ctx, const struct stat *was, const struct stat *st);
    void *ctx;
};

int walk_trees(const struct walk *walk, struct error *err);

#endif
