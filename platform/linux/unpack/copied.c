/* copied — see copied.h. */
#include "platform/linux/unpack/copied.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct name {
    dev_t device; /* a merged root may be of several file systems */
    ino_t inode;
    char path[];
};

static int by_identity(const void *a, const void *b)
{
    const struct name *first = a, *second = b;

    if (first->inode != second->inode)
        return first->inode > second->inode ? 1 : -1;
    return (first->device > second->device) - (first->device < second->device);
}

const char *copied_find(const struct copied *copied, const struct stat *st)
{
    const struct name key = { .device = st->st_dev, .inode = st->st_ino };
    void *found = tfind(&key, &copied->names, by_identity);

    return found != NULL ? (*(struct name **)found)->path : NULL;
}

int copied_add(struct copied *copied, const struct stat *st, const char *path, struct error *err)
{
    size_t size = strlen(path) + 1;
    struct name *name = malloc(sizeof(*name) + size);

    if (name != NULL) {
        name->device = st->st_dev;
        name->inode = st->st_ino;
        memcpy(name->path, path, size);
        if (tsearch(name, &copied->names, by_identity) != NULL)
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
