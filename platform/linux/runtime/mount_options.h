/*
 * mount_options — the words of a mount: what they mean to the kernel.
 *
 * mount(8)'s flags, the propagation words, the recursive attributes (rro, rnosuid, ...) and
 * the few that ask something of the runtime.  All other words are the file system's.
 */
#ifndef RUNTIME_MOUNT_OPTIONS_H
#define RUNTIME_MOUNT_OPTIONS_H

#include "protocol/record.h"

#define MOUNT_PROPAGATIONS_MAX 4

struct mount_propagation {
    unsigned long kind; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE */
    bool recursive;
};

/* Changes of MOUNT_ATTR_* bits. */
struct mount_change {
    uint64_t set, clear;
};

struct mount_word {
    const char *key;
    const char *value; /* NULL: the word alone */
};

struct mount_options {
    struct mount_change own; /* of the mount itself */
    struct mount_change all; /* and of every mount below it */
    bool bind, bind_all, remount, copy_up, idmap, idmap_all;
    struct mount_propagation propagation[MOUNT_PROPAGATIONS_MAX]; /* in this order */
    size_t propagation_count;
    const char *mapping;     /* "uids=0-1-10#10-11-10;gids=0-100-10" of idmap=..., or NULL */
    struct mount_word *data; /* for the file system */
    size_t data_count;
};

/* INVALID_ARGUMENT: more propagation words than mean anything. */
int mount_options_read(const struct strs *words, struct mount_options *out, struct arena *arena,
                       struct error *err);
/* "rslave" and the like; kind is 0 for other words. */
struct mount_propagation mount_propagation_of(const char *word);
/* NULL when no such word is for the file system; the last of several. */
const char *mount_data(const struct mount_options *options, const char *key);
/* All words that are known here, sorted. */
size_t mount_option_names(const char *const **names);

#endif
