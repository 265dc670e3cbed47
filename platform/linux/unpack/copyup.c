/* copyup — see copyup.h. */
#include "platform/linux/unpack/copyup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/unpack/copy.h"
#include "platform/scope.h"

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int copy_into(struct tree *tree, struct folder *folder, const char *name, const char *asked,
                     struct error *err)
{
    CLEANUP(fd_close) int from = -1;
    char path[PATH_MAX];
    bool hides;
    struct stat st;

    if (folder_path(folder, name, path, err) < 0 ||
        tree_hides(tree, folder->path, &hides, err) < 0 ||
        (!hides && lower_open(tree, path, &from, &st, err) < 0))
        return -1;
    if (from < 0 || S_ISDIR(st.st_mode))
        return tree_doubt(tree, err, "hard link to %s, which is not %s", asked,
                          from < 0 ? "there" : "a file");
    return copy_thing(tree, tree->lower, path, &st, folder, name, err);
}

int copyup(struct tree *tree, const char *path, char folder[PATH_MAX], const char **name,
           struct error *err)
{
    struct folder *parent;
    struct stat st;

    if (tree_parent(tree, path, &parent, name, err) < 0)
        return -1;
    strcpy(folder, parent->path);
    if (fstatat(parent->fd, *name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (is_whiteout(&st))
            return tree_doubt(tree, err, "hard link to %s, which the layer removes", path);
        return 0; /* it is here, by way of a link of the parents */
    }
    return copy_into(tree, parent, *name, path, err);
}
