/*
 * inside — paths below a root whose contents are somebody else's.
 *
 * The kernel finds what is there (openat2, RESOLVE_IN_ROOT: links and ".." end at the root).
 * What is missing is made component by component: links are read and followed here, each step
 * is opened from the root again with no link allowed on the way, so a folder that is exchanged
 * for a link meanwhile is an error and not a way out.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define LINKS_MAX 40 /* path_resolution(7) */

static int resolve_open(int root, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC), .resolve = resolve };

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

int inside_open(int root, const char *path, int flags)
{
    return resolve_open(root, path, flags,
                        RESOLVE_NO_MAGICLINKS | (root == AT_FDCWD ? 0u : RESOLVE_IN_ROOT));
}

/* ---- making ----------------------------------------------------------------------- */

struct walk {
    int root;
    bool folder; /* what is to be in the end */
    bool made;
    unsigned links;
    char done[PATH_MAX]; /* exists, has no links: "/a/b", or "" */
    char left[PATH_MAX];
};

static int too_long(void)
{
    errno = ENAMETOOLONG;
    return -1;
}

/* The part that follows; "" when there is none. */
static int name_take(struct walk *walk, char name[NAME_MAX + 1])
{
    char *from = walk->left + strspn(walk->left, "/");
    size_t length = strcspn(from, "/");

    if (length > NAME_MAX)
        return too_long();
    memcpy(name, from, length);
    name[length] = '\0';
    from += length;
    from += strspn(from, "/");
    memmove(walk->left, from, strlen(from) + 1);
    return 0;
}

static int done_open(const struct walk *walk, int flags)
{
    return resolve_open(walk->root, walk->done[0] != '\0' ? walk->done : "/", flags,
                        RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

static void done_drop(struct walk *walk)
{
    char *slash = strrchr(walk->done, '/');

    if (slash != NULL)
        *slash = '\0';
}

static int done_add(struct walk *walk, const char *name)
{
    size_t at = strlen(walk->done);

    if (at + strlen(name) + 2 > sizeof(walk->done))
        return too_long();
    snprintf(walk->done + at, sizeof(walk->done) - at, "/%s", name);
    return 0;
}

/* Somebody else may have been quicker. */
static int name_make(struct walk *walk, const char *name)
{
    CLEANUP(fd_drop) int parent = done_open(walk, O_PATH | O_DIRECTORY);
    int file;

    if (parent < 0)
        return -1;
    walk->made = true;
    if (walk->folder || walk->left[0] != '\0')
        return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
    file = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
    if (file < 0)
        return errno == EEXIST ? 0 : -1;
    close(file);
    return 0;
}

static int link_follow(struct walk *walk, int link)
{
    char text[2 * PATH_MAX];
    ssize_t size = readlinkat(link, "", text, PATH_MAX - 1);

    if (size < 0)
        return -1;
    if (++walk->links > LINKS_MAX) {
        errno = ELOOP;
        return -1;
    }
    snprintf(text + size, sizeof(text) - (size_t)size, "/%s", walk->left);
    if (strlen(text) >= sizeof(walk->left))
        return too_long();
    memcpy(walk->left, text, strlen(text) + 1);
    if (text[0] == '/')
        walk->done[0] = '\0';
    return 0;
}

static int name_open(struct walk *walk, const char *name)
{
    char before[PATH_MAX];
    int found;

    memcpy(before, walk->done, strlen(walk->done) + 1);
    if (done_add(walk, name) < 0)
        return -1;
    found = done_open(walk, O_PATH | O_NOFOLLOW);
    if (found >= 0 || errno != ENOENT)
        return found;
    memcpy(walk->done, before, strlen(before) + 1);
    if (name_make(walk, name) < 0 || done_add(walk, name) < 0)
        return -1;
    return done_open(walk, O_PATH | O_NOFOLLOW);
}

static int walk_step(struct walk *walk, const char *name)
{
    CLEANUP(fd_drop) int found = -1;
    struct stat st;

    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0) {
        done_drop(walk);
        return 0;
    }
    found = name_open(walk, name);
    if (found < 0 || fstat(found, &st) < 0)
        return -1;
    if (!S_ISLNK(st.st_mode))
        return 0;
    done_drop(walk);
    return link_follow(walk, found);
}

/* Nearly always only the last name is missing.  -1: it is not so simple. */
static int last_make(int root, const char *path, bool folder)
{
    const char *name = strrchr(path, '/') + 1;
    CLEANUP(fd_drop) int parent = -1;
    char way[PATH_MAX];

    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        (size_t)(name - path) >= sizeof(way))
        return -1;
    memcpy(way, path, (size_t)(name - path));
    way[name - path] = '\0';
    parent = inside_open(root, way, O_PATH | O_DIRECTORY);
    if (parent < 0)
        return -1;
    if (!folder)
        return openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
    if (mkdirat(parent, name, 0755) < 0)
        return -1;
    return openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int inside_make(int root, const char *path, bool folder, bool *made)
{
    struct walk walk = { .root = root, .folder = folder };
    char name[NAME_MAX + 1];
    int found = inside_open(root, path, O_PATH);

    *made = false;
    if (found >= 0 || errno != ENOENT)
        return found;
    found = last_make(root, path, folder);
    if (found >= 0) {
        *made = true;
        return found;
    }
    if (strlen(path) >= sizeof(walk.left))
        return too_long();
    memcpy(walk.left, path, strlen(path) + 1);
    do {
        if (name_take(&walk, name) < 0 || (name[0] != '\0' && walk_step(&walk, name) < 0))
            return -1;
    } while (walk.left[0] != '\0');
    *made = walk.made;
    return done_open(&walk, O_PATH);
}
