/* copied — see copied.h. */
#include "platform/linux/unpack/copied.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct name {
    ino_t inode;
    char path[];
};

static int by_inode(const void *a, const void *b)
{
    ino_t first = ((const struct name *)a)->inode, second = ((const struct name *)b)->inode;

    return (first > second) - (first < second);
}

const char *copied_find(const struct copied *copied, ino_t inode)
{
    const struct name key = { .inode = inode };
    void *found = tfind(&key, &copied->names, by_inode);

    return found != NULL ? (*(struct name **)found)->path : NULL;
}

int copied_add(struct copied *copied, ino_t inode, const char *path, struct error *err)
{
    size_t size = strlen(path) + 1;
    struct name *name = malloc(sizeof(*name) + size);

    if (name != NULL) {
        name->inode = inode;
        memcpy(name->path, path, size);
        if (tsearch(name, &copied->names, by_inode) != NULL)
            return 0;
    }
    free(name);
    return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for files with several names");
}

void copied_free(struct copied *copied)
{
    tdestroy(copied->names, free);
    copied->names = NULL;
}
