/*
 * attributes — see attributes.h.  There is no call for a name relative to a folder, and no folder
 * of descriptors here: the folder becomes the current one.
 */
#include "platform/linux/pack/attributes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/layer_marks.h"
#include "platform/scope.h"

#define VALUE_MAX 65536 /* the kernel's own limit */

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_own(const char *name)
{
    if (layer_marks_have(name))
        return false;
    return has_prefix(name, "user.") || has_prefix(name, "trusted.") ||
           has_prefix(name, "system.posix_acl_") || strcmp(name, "security.capability") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tar_xattr *)a)->name, ((const struct tar_xattr *)b)->name);
}

/* *value: an offset until all are there, as the values may move. */
static int value_read(const char *name, const char *xattr, struct attributes *attributes,
                      size_t *size, struct error *err)
{
    ssize_t got;

    if (attributes->value_room < attributes->value_size + VALUE_MAX) {
        size_t room = 2 * attributes->value_room + 2 * VALUE_MAX;
        char *values = realloc(attributes->values, room);

        if (values == NULL)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for attributes");
        attributes->values = values;
        attributes->value_room = room;
    }
    got = lgetxattr(name, xattr, attributes->values + attributes->value_size, VALUE_MAX);
    if (got < 0)
        return errno == ENODATA ? 1 : error_sys(err, errno, "read attribute %.100s", xattr);
    *size = (size_t)got;
    attributes->value_size += *size;
    return 0;
}

static int value_add(const char *name, const char *xattr, struct attributes *attributes,
                     struct error *err)
{
    struct tar_xattr *one = &attributes->xattrs[attributes->count];
    int result;

    if (attributes->count == XATTRS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "more than %d attributes", XATTRS_MAX);
    *one = (struct tar_xattr){ .name = xattr };
    result = value_read(name, xattr, attributes, &one->size, err);
    attributes->count += result == 0;
    return result < 0 ? -1 : 0;
}

int attributes_read(int folder, const char *name, struct attributes *attributes, struct error *err)
{
    ssize_t length;
    size_t at = 0;

    attributes->count = attributes->value_size = 0;
    if (fchdir(folder) < 0)
        return error_sys(err, errno, "enter the folder");
    length = llistxattr(name, attributes->names, sizeof(attributes->names));
    if (length < 0 && errno != EOPNOTSUPP)
        return error_sys(err, errno, "list attributes");
    for (const char *one = attributes->names; one < attributes->names + length;
         one += strlen(one) + 1)
        if (is_own(one) && value_add(name, one, attributes, err) < 0)
            return -1;
    for (size_t i = 0; i < attributes->count; at += attributes->xattrs[i++].size)
        attributes->xattrs[i].value = attributes->values + at;
    if (attributes->count > 1)
        qsort(attributes->xattrs, attributes->count, sizeof(*attributes->xattrs), by_name);
    return 0;
}

bool attributes_same(const struct attributes *a, const struct attributes *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
            a->xattrs[i].size != b->xattrs[i].size ||
            (a->xattrs[i].size > 0 &&
             memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].size) != 0))
            return false;
    return a->count == b->count;
}

static ssize_t mark_read(const char *name, const char *mark, char *value, size_t room)
{
    static const char *const prefixes[] = { "trusted.overlay.", "user.overlay." };
    char xattr[64];
    ssize_t size = -1;

    for (size_t i = 0; i < COUNT_OF(prefixes) && size < 0; i++) {
        strcpy(xattr, prefixes[i]);
        strcat(xattr, mark);
        size = lgetxattr(name, xattr, value, room);
    }
    return size;
}

int attributes_opaque(int folder, const char *name, struct error *err)
{
    char value[4096];

    if (fchdir(folder) < 0)
        return error_sys(err, errno, "enter the folder");
    if (mark_read(name, "redirect", value, sizeof(value)) >= 0 ||
        mark_read(name, "metacopy", value, sizeof(value)) >= 0)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "%.100s: overlayfs wrote it with redirect_dir or metacopy", name);
    return mark_read(name, "opaque", value, sizeof(value)) == 1 && value[0] == 'y';
}
