/* attributes — see attributes.h. */
#include "platform/linux/unpack/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/scope.h"

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define NAMES_SIZE  65536 /* the kernel's own limits for the list and for one value */
#define VALUE_SIZE  65536

int attributes_check(const struct entry *entry, struct error *err)
{
    for (size_t i = 0; i < entry->xattr_count; i++)
        if (layer_marks_have(entry->xattrs[i].name))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "an image may not set the attribute %.100s", entry->xattrs[i].name);
    return 0;
}

/* Some file systems have no attributes of some kinds, and links cannot have all: such a one is
   left out.  A capability is not: the program would not work, and nobody would know why. */
static bool may_be_left_out(const struct xattr *xattr, int os)
{
    return os == EOPNOTSUPP || (os == EPERM && strcmp(xattr->name, "security.capability") != 0);
}

static int xattrs_set(struct tree *tree, int fd, const struct entry *entry, struct error *err)
{
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct xattr *xattr = &entry->xattrs[i];

        if (strcmp(xattr->name, ACL_DEFAULT) == 0)
            tree->default_acl = true;
        if (fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0 &&
            !may_be_left_out(xattr, errno))
            return error_sys(err, errno, "set attribute %.100s", xattr->name);
    }
    return 0;
}

/* There is no call for a name relative to a folder: the folder becomes the current one. */
static int xattrs_set_at(struct folder *parent, const char *name, const struct entry *entry,
                         struct error *err)
{
    if (entry->xattr_count > 0 && fchdir(parent->fd) < 0)
        return error_sys(err, errno, "enter %s", parent->path);
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct xattr *xattr = &entry->xattrs[i];

        if (lsetxattr(name, xattr->name, xattr->value, xattr->size, 0) < 0 &&
            !may_be_left_out(xattr, errno))
            return error_sys(err, errno, "set attribute %.100s", xattr->name);
    }
    return 0;
}

int attributes_plain(int fd, mode_t mode, struct error *err)
{
    if ((fremovexattr(fd, ACL_ACCESS) < 0 && errno != ENODATA && errno != EOPNOTSUPP) ||
        (fremovexattr(fd, ACL_DEFAULT) < 0 && errno != ENODATA && errno != EOPNOTSUPP &&
         errno != EACCES) ||
        fchmod(fd, mode) < 0)
        return error_sys(err, errno, "set the mode");
    return 0;
}

static bool has_root_owner(const struct folder *parent, const struct entry *entry)
{
    return entry->uid == 0 && entry->gid == 0 && !parent->gives_group;
}

int attributes_new(struct tree *tree, const struct folder *parent, int fd,
                   const struct entry *entry, struct error *err)
{
    if (!has_root_owner(parent, entry) && fchown(fd, entry->uid, entry->gid) < 0)
        return error_sys(err, errno, "set the owner");
    if (tree->default_acl) {
        if (attributes_plain(fd, entry->mode, err) < 0)
            return -1;
    } else if (((entry->mode & 07000) != 0 || (parent->gives_group && S_ISDIR(entry->type))) &&
               fchmod(fd, entry->mode) < 0) {
        return error_sys(err, errno, "set the mode");
    }
    return xattrs_set(tree, fd, entry, err);
}

int attributes_new_at(struct tree *tree, struct folder *parent, const char *name,
                      const struct entry *entry, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->mtime };

    if (!has_root_owner(parent, entry) &&
        fchownat(parent->fd, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "set the owner");
    if (!S_ISLNK(entry->type) && (tree->default_acl || (entry->mode & 07000) != 0) &&
        fchmodat(parent->fd, name, entry->mode, 0) < 0)
        return error_sys(err, errno, "set the mode");
    if (xattrs_set_at(parent, name, entry, err) < 0)
        return -1;
    if (utimensat(parent->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "set the time");
    return 0;
}

int attributes_clear(int fd, struct error *err)
{
    static char names[NAMES_SIZE];
    ssize_t length = flistxattr(fd, names, sizeof(names));

    if (length < 0 && errno != EOPNOTSUPP)
        return error_sys(err, errno, "list attributes");
    for (const char *name = names; name < names + length; name += strlen(name) + 1)
        if (strcmp(name, layer_marks()->opaque) != 0 && fremovexattr(fd, name) < 0 && errno != ENODATA &&
            errno != EPERM && errno != EOPNOTSUPP)
            return error_sys(err, errno, "remove attribute %s", name);
    return 0;
}

int attributes_replace(struct tree *tree, int fd, const struct entry *entry, struct error *err)
{
    if (attributes_clear(fd, err) < 0)
        return -1;
    if (fchown(fd, entry->uid, entry->gid) < 0 || fchmod(fd, entry->mode) < 0)
        return error_sys(err, errno, "set owner and mode");
    return xattrs_set(tree, fd, entry, err);
}

int attributes_copy(struct tree *tree, int from, const struct stat *st, int to, struct error *err)
{
    static char names[NAMES_SIZE], value[VALUE_SIZE];
    ssize_t length, size;

    if (fchown(to, st->st_uid, st->st_gid) < 0 ||
        attributes_plain(to, st->st_mode & 07777, err) < 0)
        return error_sys(err, errno, "copy owner and mode");
    length = flistxattr(from, names, sizeof(names));
    if (length < 0 && errno != EOPNOTSUPP)
        return error_sys(err, errno, "list attributes");
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        if (layer_marks_have(name))
            continue;
        if (strcmp(name, ACL_DEFAULT) == 0)
            tree->default_acl = true;
        size = fgetxattr(from, name, value, sizeof(value));
        if (size < 0 || (fsetxattr(to, name, value, (size_t)size, 0) < 0 &&
                         !may_be_left_out(&(struct xattr){ .name = name }, errno)))
            return error_sys(err, errno, "copy attribute %s", name);
    }
    return 0;
}

/* There is no call for a path relative to a folder: the folder becomes the current one, and none on
   the path is a link. */
int attributes_copy_at(int root, const char *path, const struct folder *to, const char *name,
                       struct error *err)
{
    static char names[NAMES_SIZE], value[VALUE_SIZE];
    ssize_t length, size;

    if (fchdir(root) < 0)
        return error_sys(err, errno, "enter a folder");
    length = llistxattr(path, names, sizeof(names));
    if (length < 0 && errno != EOPNOTSUPP)
        return error_sys(err, errno, "list attributes of %s", name);
    for (const char *key = names; key < names + length; key += strlen(key) + 1) {
        if (layer_marks_have(key))
            continue;
        size = fchdir(root) < 0 ? -1 : lgetxattr(path, key, value, sizeof(value));
        if (size < 0 || fchdir(to->fd) < 0 ||
            (lsetxattr(name, key, value, (size_t)size, 0) < 0 &&
             !may_be_left_out(&(struct xattr){ .name = key }, errno)))
            return error_sys(err, errno, "copy attribute %s", key);
    }
    return 0;
}

int attributes_inherit(struct tree *tree, int from, const struct stat *st, struct folder *to,
                       struct error *err)
{
    if (attributes_copy(tree, from, st, to->fd, err) < 0)
        return -1;
    to->mtime = st->st_mtim;
    to->touched = true;
    to->gives_group = (st->st_mode & S_ISGID) != 0;
    return 0;
}
