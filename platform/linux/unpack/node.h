/*
 * node — making the things that entries name.  What is there already is replaced;
 * a folder over a folder only changes its attributes.
 */
#ifndef UNPACK_NODE_H
#define UNPACK_NODE_H

#include "platform/linux/unpack/entry.h"
#include "platform/linux/unpack/tree.h"

int node_folder(struct tree *tree, const struct entry *entry, struct error *err);
int node_symlink(struct tree *tree, const struct entry *entry, struct error *err);
/* Devices and pipes.  Where the system does not permit them they are left out. */
int node_special(struct tree *tree, const struct entry *entry, struct error *err);
/* A hard link; deferred when its target is not in this layer. */
int node_link(struct tree *tree, const struct entry *entry, struct error *err);
/* The last step of it: `to_name` becomes another name of the thing `from_name`. */
int node_link_make(struct tree *tree, struct folder *from, const char *from_name, struct folder *to,
                   const char *to_name, struct error *err);

/* A file is made open and empty, filled by the caller, and finished (or closed). */
struct node_file {
    struct folder *parent;
    int fd;
};
int node_file_make(struct tree *tree, const struct entry *entry, struct node_file *file,
                   struct error *err);
int node_file_finish(struct tree *tree, const struct entry *entry, struct node_file *file,
                     uint64_t size, struct error *err);
void node_file_close(struct node_file *file);

#endif
