/* whiteout — see whiteout.h. */
#include "platform/linux/unpack/whiteout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/deferred.h"
#include "platform/scope.h"

#define PREFIX      ".wh."
#define META_PREFIX ".wh..wh."
#define OPAQUE      ".wh..wh..opq"

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int kind_of_name(const char *name, enum whiteout *kind, struct error *err)
{
    const char *rest = name + strlen(PREFIX);

    if (!begins(name, PREFIX))
        *kind = WHITEOUT_NONE;
    else if (strcmp(name, OPAQUE) == 0)
        *kind = WHITEOUT_OPAQUE;
    else if (begins(name, META_PREFIX))
        *kind = WHITEOUT_IGNORED;
    else if (*rest != '\0' && strcmp(rest, ".") != 0 && strcmp(rest, "..") != 0)
        *kind = WHITEOUT_NAME;
    else
        return error_set(err, ERROR_INVALID_ARGUMENT, "a whiteout of nothing");
    return 0;
}

int whiteout_kind(const char *path, enum whiteout *kind, struct error *err)
{
    const char *name = path;

    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(name, '/')) {
        if (begins(name, META_PREFIX) && !begins(name, OPAQUE "/")) {
            *kind = WHITEOUT_IGNORED;
            return 0;
        }
        if (begins(name, PREFIX))
            return error_set(err, ERROR_INVALID_ARGUMENT, "a folder with a whiteout's name");
        name = slash + 1;
    }
    return kind_of_name(name, kind, err);
}

/* This layer's own folder hides what the parents have under its name. */
static int hide(struct folder *folder, struct error *err)
{
    if (fsetxattr(folder->fd, layer_marks()->opaque, "y", 1, 0) < 0)
        return error_sys(err, errno, "hide what is under %s", folder->path);
    return deferred_waive(folder, err);
}

static int remove_lower(struct tree *tree, struct folder *parent, const char *name,
                        struct error *err)
{
    struct folder *folder;
    struct stat st;
    char path[PATH_MAX];

    if (mknodat(parent->fd, name, S_IFCHR, 0) == 0) {
        parent->touched = true;
        return tree_count(tree, S_IFCHR, 0, err);
    }
    if (errno == EPERM && in_user_namespace())
        return error_sys(err, EPERM, "make a whiteout (in a user namespace that takes Linux 5.8)");
    if (errno != EEXIST)
        return error_sys(err, errno, "make the whiteout");
    if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat");
    if (!S_ISDIR(st.st_mode))
        return 0; /* a file of this layer hides it already */
    if (folder_path(parent, name, path, err) < 0 || tree_folder(tree, path, &folder, err) < 0)
        return -1;
    return hide(folder, err);
}

int whiteout_apply(struct tree *tree, const char *path, enum whiteout kind, struct error *err)
{
    struct folder *parent;
    const char *name;

    if (tree->base || kind == WHITEOUT_IGNORED)
        return 0;
    if (tree_parent(tree, path, &parent, &name, err) < 0)
        return -1;
    if (kind == WHITEOUT_NAME)
        return remove_lower(tree, parent, name + strlen(PREFIX), err);
    if (fsetxattr(parent->fd, layer_marks()->opaque, "y", 1, 0) < 0)
        return error_sys(err, errno, "make the folder opaque");
    return 0;
}

static void list_close(DIR **list)
{
    if (*list != NULL)
        closedir(*list);
}

int whiteout_root(struct tree *tree, struct error *err)
{
    int fd = open_inside(tree->lower, ".", O_RDONLY | O_DIRECTORY);
    CLEANUP(list_close) DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *listed;

    if (list == NULL)
        return error_sys(err, errno, "list the root of the parents");
    while ((listed = readdir(list)) != NULL)
        if (strcmp(listed->d_name, ".") != 0 && strcmp(listed->d_name, "..") != 0 &&
            remove_lower(tree, &tree->top, listed->d_name, err) < 0)
            return -1;
    return 0;
}
