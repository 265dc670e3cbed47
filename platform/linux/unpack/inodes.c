/* inodes — see inodes.h. */
#include "platform/linux/unpack/inodes.h"

#include <stdlib.h>

/* Where the number is, or would be. */
static uint64_t *slot_of(const struct inodes *inodes, uint64_t inode)
{
    size_t at = (size_t)(inode * 0x9e3779b97f4a7c15u >> 20);

    while (inodes->slots[at & (inodes->room - 1)] != 0 &&
           inodes->slots[at & (inodes->room - 1)] != inode)
        at++;
    return &inodes->slots[at & (inodes->room - 1)];
}

static int grow(struct inodes *inodes, struct error *err)
{
    struct inodes larger = { .room = inodes->room != 0 ? inodes->room * 2 : 64 };

    larger.slots = calloc(larger.room, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for hard links");
    for (size_t i = 0; i < inodes->room; i++)
        if (inodes->slots[i] != 0)
            *slot_of(&larger, inodes->slots[i]) = inodes->slots[i];
    larger.count = inodes->count;
    free(inodes->slots);
    *inodes = larger;
    return 0;
}

int inodes_add(struct inodes *inodes, uint64_t inode, struct error *err)
{
    uint64_t *slot;

    if (inodes->count * 2 >= inodes->room && grow(inodes, err) < 0)
        return -1;
    slot = slot_of(inodes, inode);
    inodes->count += *slot == 0;
    *slot = inode;
    return 0;
}

bool inodes_has(const struct inodes *inodes, uint64_t inode)
{
    return inodes->room != 0 && *slot_of(inodes, inode) == inode && inode != 0;
}

void inodes_free(struct inodes *inodes)
{
    free(inodes->slots);
    *inodes = (struct inodes){ 0 };
}
