/* inodes — a set of inode numbers: open addressing, zero is empty, at most half full. */
#ifndef UNPACK_INODES_H
#define UNPACK_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

struct inodes {
    uint64_t *slots;
    size_t room, count; /* room is a power of two */
};

int inodes_add(struct inodes *inodes, uint64_t inode, struct error *err);
bool inodes_has(const struct inodes *inodes, uint64_t inode);
void inodes_free(struct inodes *inodes);

#endif
