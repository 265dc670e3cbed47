/*
 * attributes — owner, mode, extended attributes: set from an entry, or from the
 * parents' thing of that name.
 *
 * The order matters: a change of owner clears setuid bits and capabilities, and
 * so does writing; so owner, then mode, then extended attributes, then time.
 */
#ifndef UNPACK_ATTRIBUTES_H
#define UNPACK_ATTRIBUTES_H

#include "platform/linux/unpack/entry.h"
#include "platform/linux/unpack/tree.h"

/* The kernel's and our own marks (layer_marks.h) are not copied, and no image may set them. */
int attributes_check(const struct entry *entry, struct error *err);

/* A file or folder that was just made in `parent`, 0:0 and with the mode's lower nine bits where
   nothing says otherwise. */
int attributes_new(struct tree *tree, const struct folder *parent, int fd,
                   const struct entry *entry, struct error *err);
/* A link or special file of that kind, which cannot be opened. */
int attributes_new_at(struct tree *tree, struct folder *parent, const char *name,
                      const struct entry *entry, struct error *err);
/* A folder that was there already: all its attributes are the entry's now. */
int attributes_replace(struct tree *tree, int fd, const struct entry *entry, struct error *err);
/* Removes extended attributes; the mark of an opaque folder stays. */
int attributes_clear(int fd, struct error *err);
/* Removes ACLs that a folder has given, and sets the mode. */
int attributes_plain(int fd, mode_t mode, struct error *err);

/* Owner, mode and extended attributes of `from` (whose stat is `st`) for `to`. */
int attributes_copy(struct tree *tree, int from, const struct stat *st, int to, struct error *err);
/* Only the extended attributes, of what cannot be opened: `path` below the folder `root`. */
int attributes_copy_at(int root, const char *path, const struct folder *to, const char *name,
                       struct error *err);
/* As attributes_copy() for a folder, and its time. */
int attributes_inherit(struct tree *tree, int from, const struct stat *st, struct folder *to,
                       struct error *err);

#endif
