/* node — see node.h. */
#include "platform/linux/unpack/node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/copyup.h"
#include "platform/linux/unpack/deferred.h"

/* ---- folders --------------------------------------------------------------------- */

/* Something is at the folder's place.  A folder stays; all else goes, and as it hid what the
   parents have under that name, so must the new folder. */
static int folder_over(struct tree *tree, struct folder *parent, const char *name, bool *stays,
                       struct error *err)
{
    struct stat st;

    if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat");
    *stays = S_ISDIR(st.st_mode);
    if (*stays)
        return 0;
    if (tree->merging)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%.200s is there and is not a folder", name);
    if (tree_remove(tree, parent, name, err) < 0)
        return -1;
    if (mkdirat(parent->fd, name, 0755) < 0)
        return error_sys(err, errno, "make the folder");
    return 0;
}

static int folder_hide(struct tree *tree, struct folder *folder, struct error *err)
{
    if (!tree->base && fsetxattr(folder->fd, layer_marks()->opaque, "y", 1, 0) < 0)
        return error_sys(err, errno, "hide what is under it");
    return 0;
}

static void folder_named(struct folder *folder, const struct entry *entry)
{
    folder->mtime = entry->mtime;
    folder->touched = true;
    folder->gives_group = (entry->mode & S_ISGID) != 0;
}

static int folder_replace(struct tree *tree, struct folder *folder, const struct entry *entry,
                          struct error *err)
{
    if (attributes_replace(tree, folder->fd, entry, err) < 0)
        return -1;
    folder_named(folder, entry);
    return 0;
}

int node_folder(struct tree *tree, const struct entry *entry, struct error *err)
{
    struct folder *parent, *folder;
    const char *name;
    bool stays = false, hides = false;

    if (*entry->path == '\0') {
        tree->root_named = true;
        return tree->merging ? 0 : folder_replace(tree, &tree->top, entry, err);
    }
    if (tree_parent(tree, entry->path, &parent, &name, err) < 0)
        return -1;
    if (mkdirat(parent->fd, name, entry->mode & 0777) < 0) {
        if (errno != EEXIST)
            return error_sys(err, errno, "make the folder");
        hides = true;
        if (folder_over(tree, parent, name, &stays, err) < 0)
            return -1;
    }
    if (stays && tree->merging)
        return 0;
    if (stays) {
        char path[PATH_MAX];

        if (folder_path(parent, name, path, err) < 0 || tree_folder(tree, path, &folder, err) < 0)
            return -1;
        return folder_replace(tree, folder, entry, err);
    }
    parent->touched = true;
    if (tree_count(tree, S_IFDIR, 0, err) < 0 ||
        tree_folder_enter(tree, parent, name, &folder, err) < 0 ||
        (hides && folder_hide(tree, folder, err) < 0) ||
        (hides ? attributes_replace(tree, folder->fd, entry, err)
               : attributes_new(tree, parent, folder->fd, entry, err)) < 0)
        return -1;
    folder_named(folder, entry);
    return 0;
}

/* ---- files ------------------------------------------------------------------------- */

static int file_open(const struct folder *parent, const char *name, mode_t mode)
{
    return openat(parent->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  mode & 0777);
}

int node_file_make(struct tree *tree, const struct entry *entry, struct node_file *file,
                   struct error *err)
{
    const char *name;

    file->fd = -1;
    if (tree_parent(tree, entry->path, &file->parent, &name, err) < 0)
        return -1;
    file->fd = file_open(file->parent, name, entry->mode);
    if (file->fd < 0 && errno == EEXIST) {
        if (tree_remove(tree, file->parent, name, err) < 0)
            return -1;
        file->fd = file_open(file->parent, name, entry->mode);
    }
    if (file->fd < 0)
        return error_sys(err, errno, "make the file");
    file->parent->touched = true;
    return 0;
}

int node_file_finish(struct tree *tree, const struct entry *entry, struct node_file *file,
                     uint64_t size, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->mtime };

    if (attributes_new(tree, file->parent, file->fd, entry, err) < 0)
        return -1;
    if (futimens(file->fd, times) < 0)
        return error_sys(err, errno, "set the time");
    if (close(file->fd) < 0) {
        file->fd = -1;
        return error_sys(err, errno, "write");
    }
    file->fd = -1;
    return tree_count(tree, S_IFREG, size, err);
}

void node_file_close(struct node_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* ---- links and special files -------------------------------------------------------- */

static int make(const struct folder *parent, const char *name, const struct entry *entry)
{
    if (S_ISLNK(entry->type))
        return symlinkat(entry->target, parent->fd, name);
    return mknodat(parent->fd, name, entry->type | (entry->mode & 0777), entry->device);
}

/* The same where something may be already. */
static int make_over(struct tree *tree, struct folder *parent, const char *name,
                     const struct entry *entry, struct error *err)
{
    if (make(parent, name, entry) == 0)
        return 0;
    if (errno == EEXIST) {
        if (tree_remove(tree, parent, name, err) < 0)
            return -1;
        if (make(parent, name, entry) == 0)
            return 0;
    }
    return error_sys(err, errno, "make it");
}

static int node_at(struct tree *tree, const struct entry *entry, struct error *err)
{
    bool is_device = S_ISCHR(entry->type) || S_ISBLK(entry->type);
    struct folder *parent;
    const char *name;

    if (tree_parent(tree, entry->path, &parent, &name, err) < 0)
        return -1;
    if (make_over(tree, parent, name, entry, err) < 0)
        return is_device && err->os == EPERM ? 0 : -1; /* a device that we may not make */
    parent->touched = true;
    if (tree_count(tree, entry->type, 0, err) < 0)
        return -1;
    return attributes_new_at(tree, parent, name, entry, err);
}

int node_symlink(struct tree *tree, const struct entry *entry, struct error *err)
{
    return node_at(tree, entry, err);
}

int node_special(struct tree *tree, const struct entry *entry, struct error *err)
{
    if (S_ISCHR(entry->type) && entry->device == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "an image may not have the character device 0:0");
    return node_at(tree, entry, err);
}

/* ---- hard links ------------------------------------------------------------------------ */

enum { TARGET_HERE, TARGET_ELSEWHERE };

/* Is the link's target in this layer?  Then `folder` is the real path of the folder it is in. */
static int target_find(struct tree *tree, const char *target, char folder[PATH_MAX],
                       const char **name, struct error *err)
{
    const char *slash = strrchr(target, '/');
    struct folder *found;
    struct stat st;

    *name = slash != NULL ? slash + 1 : target;
    memcpy(folder, target, (size_t)(*name - target));
    folder[slash != NULL ? slash - target : 0] = '\0';
    if (tree_folder_find(tree, folder, &found, err) < 0)
        return err->code == ERROR_NOT_FOUND ? TARGET_ELSEWHERE : -1;
    strcpy(folder, found->path);
    if (fstatat(found->fd, *name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? TARGET_ELSEWHERE : error_sys(err, errno, "stat %s", target);
    if (S_ISDIR(st.st_mode))
        return tree_doubt(tree, err, "hard link to the folder %s", target);
    if (is_whiteout(&st))
        return tree_doubt(tree, err, "hard link to %s, which the layer removes", target);
    return deferred_is_link(tree->deferred, found, *name) ? TARGET_ELSEWHERE : TARGET_HERE;
}

static bool is_same(const struct folder *a, const char *a_name, const struct folder *b,
                    const char *b_name)
{
    struct stat st, other;

    return fstatat(a->fd, a_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(b->fd, b_name, &other, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == other.st_dev &&
           st.st_ino == other.st_ino;
}

int node_link_make(struct tree *tree, struct folder *from, const char *from_name, struct folder *to,
                   const char *to_name, struct error *err)
{
    if (linkat(from->fd, from_name, to->fd, to_name, 0) < 0) {
        if (errno != EEXIST)
            return error_sys(err, errno, "make the hard link");
        if (is_same(from, from_name, to, to_name))
            return 0;
        if (tree_remove(tree, to, to_name, err) < 0)
            return -1;
        if (from->fd < 0) /* it was in the folder that made way */
            return tree_doubt(tree, err, "hard link in place of the folder of its target");
        if (linkat(from->fd, from_name, to->fd, to_name, 0) < 0)
            return error_sys(err, errno, "make the hard link");
    }
    to->touched = true;
    return 0;
}

int node_link(struct tree *tree, const struct entry *entry, struct error *err)
{
    char target[PATH_MAX];
    struct folder *parent, *from;
    const char *name, *target_name;
    int where = target_find(tree, entry->target, target, &target_name, err);

    if (where < 0)
        return -1;
    if (where == TARGET_ELSEWHERE && tree->base)
        return error_set(err, ERROR_INVALID_ARGUMENT, "hard link to %s, which is not there",
                         entry->target);
    if (where == TARGET_ELSEWHERE && tree->lower >= 0 &&
        copyup(tree, entry->target, target, &target_name, err) < 0)
        return -1;
    if (tree_parent(tree, entry->path, &parent, &name, err) < 0)
        return -1;
    if (where == TARGET_ELSEWHERE && tree->lower < 0)
        return deferred_link(tree->deferred, tree, parent, name, entry->target, err);
    if (tree_folder(tree, target, &from, err) < 0)
        return -1;
    return node_link_make(tree, from, target_name, parent, name, err);
}
