/* place — see place.h. */
#include "platform/linux/pack/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/mounts_reading.h"
#include "platform/linux/mounts_text.h"
#include "platform/linux/pack/upper.h"
#include "platform/linux/runtime/root_mounts.h"
#include "platform/scope.h"

#define FLAGS (MS_NODEV | MS_NOSUID | MS_NOEXEC)
#define HARM  (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/* ---- an empty root --------------------------------------------------------------------------- */

/* In the place of a folder that nobody's layers lie in. */
static const char *const bases[] = { "/sys", "/mnt", "/tmp" };

static int base_make(const char **base, struct error *err)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_sys(err, errno, "make a mount namespace");
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        *base = bases[i];
        if (mount("gantry-pack", *base, "tmpfs", FLAGS, "mode=0700,size=64k") == 0)
            return 0;
    }
    return error_sys(err, errno, "mount an empty root");
}

/* In a user namespace times of access are not ours to decide. */
static int restrict_all(bool writing, bool is_other, struct error *err)
{
    struct mount_attr attr = { .attr_set = HARM | (writing ? 0 : MOUNT_ATTR_RDONLY) };

    if (!is_other) {
        attr.attr_set |= MOUNT_ATTR_NOATIME;
        attr.attr_clr = MOUNT_ATTR__ATIME;
    }

    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return error_sys(err, errno, "restrict the mounts");
    return 0;
}

static int base_enter(const char *base, bool writing, struct error *err)
{
    if (chdir(base) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0)
        return error_sys(err, errno, "enter the root");
    return restrict_all(writing, false, err);
}

/* *there: false where there is nothing to mount. */
static int tree_mount(const char *base, const char *name, const struct list *mounts, bool *there,
                      struct error *err)
{
    char path[PATH_MAX];

    *there = mounts->count > 0;
    if (!*there)
        return 0;
    snprintf(path, sizeof(path), "%s/%s", base, name);
    if (mkdir(path, 0700) < 0)
        return error_sys(err, errno, "make a folder for the mounts");
    return root_mounts_make(path, mounts, err);
}

static int folder_open(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        error_sys(err, errno, "open %s", path);
    return fd;
}

/* ---- two trees ------------------------------------------------------------------------------- */

static int upper_mount(const char *base, const char *upper, struct error *err)
{
    static const char *const options[] = { "bind", "ro" };
    const struct mount mount = { .type = "bind",
                                 .source = upper,
                                 .options = { 2, (const char **)options } };
    const struct list mounts = { 1, (void *)(uintptr_t)&mount };
    bool there;

    return tree_mount(base, "after", &mounts, &there, err);
}

int place_pair(const char *before, const char *after, struct pair *pair, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list below, above, reading;
    const char *base, *upper;
    bool has_before, has_after = true;

    if (mounts_from_text(before, &below, arena, err) < 0 ||
        mounts_from_text(after, &above, arena, err) < 0 ||
        ids_read(&below, &pair->before_ids, err) < 0 ||
        ids_read(&above, &pair->after_ids, err) < 0 || base_make(&base, err) < 0)
        return -1;
    upper = upper_find(&below, &above, arena);
    mounts_for_reading(&below, &reading, arena);
    if (tree_mount(base, "before", &reading, &has_before, err) < 0)
        return -1;
    mounts_for_reading(&above, &reading, arena);
    if (upper != NULL ? upper_mount(base, upper, err) < 0
                      : tree_mount(base, "after", &reading, &has_after, err) < 0)
        return -1;
    if (!has_after)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is nothing to compare");
    if (base_enter(base, false, err) < 0)
        return -1;
    pair->is_upper = upper != NULL;
    pair->before = has_before ? folder_open("/before", err) : -1;
    pair->after = folder_open("/after", err);
    return (has_before && pair->before < 0) || pair->after < 0 ? -1 : 0;
}

/* ---- what is mounted in a root ---- */

static int folder_make(int root, const char *path, struct error *err)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    char part[PATH_MAX];
    int at = dup(root), next;

    for (const char *name = path + strspn(path, "/"); at >= 0 && *name != '\0';
         name += strspn(name, "/")) {
        size_t length = strcspn(name, "/");

        snprintf(part, sizeof(part), "%.*s", (int)length, name);
        if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
            break;
        snprintf(part, sizeof(part), "%.*s", (int)(name + length - path), path);
        next = (int)syscall(SYS_openat2, root, part, &how, sizeof(how));
        close(at);
        at = next;
        name += length;
    }
    if (at < 0)
        return error_sys(err, errno, "%.200s in the root", path);
    close(at);
    return 0;
}

/* Of volumes of a container that does not run.  Where the root has no such place it is made, as the
   container's start would do. */
static int inner_mount(const char *folder, const struct mount *mount, struct error *err)
{
    const struct list one = { 1, (void *)(uintptr_t)mount };
    int root, result;

    if (root_mounts_make(folder, &one, err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND)
        return -1;
    root = folder_open(folder, err);
    if (root < 0)
        return -1;
    result = folder_make(root, mount->target, err);
    close(root);
    return result < 0 ? -1 : root_mounts_make(folder, &one, err);
}

static bool is_missing(const char *folder, const struct mount *mount)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    struct error ignored;
    int root = folder_open(folder, &ignored);
    int fd = (int)syscall(SYS_openat2, root, mount->target, &how, sizeof(how));

    close(root);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

/* What is only read cannot get new places: a layer in memory gets them. */
static int scratch_mount(const char *base, const char *folder, struct error *err)
{
    char upper[PATH_MAX], work[PATH_MAX], option[PATH_MAX];

    snprintf(upper, sizeof(upper), "%s/upper", base);
    snprintf(work, sizeof(work), "%s/work", base);
    snprintf(option, sizeof(option), "lowerdir=%.100s,upperdir=%.100s,workdir=%.100s", folder,
             upper, work);
    if (mkdir(upper, 0755) < 0 || mkdir(work, 0700) < 0 ||
        mount("overlay", folder, "overlay", FLAGS, option) < 0)
        return error_sys(err, errno, "mount a layer for places of mounts");
    return 0;
}

/* The root itself, then what is mounted in it. */
static int root_mount(const char *base, const struct list *mounts, bool writing, bool *there,
                      struct error *err)
{
    const struct mount *items = mounts->items;
    struct list own = { 0, mounts->items };
    char path[PATH_MAX];

    while (own.count < mounts->count && items[own.count].target == NULL)
        own.count++;
    if (tree_mount(base, "root", &own, there, err) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/root", base);
    for (size_t i = own.count; *there && !writing && i < mounts->count; i++)
        if (is_missing(path, &items[i])) {
            if (scratch_mount(base, path, err) < 0)
                return -1;
            break;
        }
    for (size_t i = own.count; *there && i < mounts->count; i++)
        if (inner_mount(path, &items[i], err) < 0)
            return -1;
    return 0;
}

/* ---- one root -------------------------------------------------------------------------------- */

/* The container's users are others here: among them the root of its user namespace is root, and no
   more than that. */
static int users_enter(const char *pid, struct error *err)
{
    struct stat theirs, ours;
    char path[64];
    int users;

    snprintf(path, sizeof(path), "/proc/%lu/ns/user", strtoul(pid, NULL, 10));
    users = open(path, O_RDONLY | O_CLOEXEC);
    if (users < 0 || fstat(users, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
        return error_sys(err, errno, "open %s", path);
    if (theirs.st_ino != ours.st_ino &&
        (setns(users, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
        return error_sys(err, errno, "enter the user namespace of process %s", pid);
    close(users);
    return theirs.st_ino != ours.st_ino;
}

static int root_of_process(const char *pid, bool writing, int *root, struct error *err)
{
    char path[64];
    int mounts, is_other;

    snprintf(path, sizeof(path), "/proc/%lu/ns/mnt", strtoul(pid, NULL, 10));
    mounts = open(path, O_RDONLY | O_CLOEXEC);
    if (mounts < 0)
        return errno == ENOENT
                   ? error_set(err, ERROR_FAILED_PRECONDITION, "process %s has ended", pid)
                   : error_sys(err, errno, "open %s", path);
    is_other = users_enter(pid, err);
    if (is_other < 0)
        return -1;
    if (setns(mounts, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_sys(err, errno, "copy the mounts of process %s", pid);
    close(mounts);
    if (restrict_all(writing, is_other, err) < 0)
        return -1;
    *root = folder_open("/", err);
    return *root < 0 ? -1 : 0;
}

int place_root(const char *root_text, bool writing, int *root, struct ids *ids, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list mounts, reading;
    const char *base;
    bool there;

    *ids = (struct ids){ 0 };
    if (strncmp(root_text, "pid ", 4) == 0)
        return root_of_process(root_text + 4, writing, root, err);
    if (mounts_from_text(root_text, &mounts, arena, err) < 0 || ids_read(&mounts, ids, err) < 0 ||
        base_make(&base, err) < 0)
        return -1;
    mounts_for_reading(&mounts, &reading, arena);
    if (root_mount(base, writing ? &mounts : &reading, writing, &there, err) < 0)
        return -1;
    if (!there)
        return error_set(err, ERROR_INVALID_ARGUMENT, "there is no root file system");
    if (base_enter(base, writing, err) < 0)
        return -1;
    *root = folder_open("/root", err);
    return *root < 0 ? -1 : 0;
}

/* ---- names -------------------------------------------------------------------------------------
 */

int open_within(int fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };

    return (int)syscall(SYS_openat2, fd, *path != '\0' ? path : ".", &how, sizeof(how));
}

#define LINKS 40 /* as the kernel */

struct resolving {
    int root;
    unsigned links;
    char *at; /* where it has come to */
    size_t length;
    char todo[PATH_MAX];
};

static int step_down(struct resolving *resolving, const char *name, size_t length,
                     struct error *err)
{
    if (resolving->length + 1 + length >= PATH_MAX || length > NAME_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: the path is too long", name);
    if (resolving->length > 0)
        resolving->at[resolving->length++] = '/';
    memcpy(resolving->at + resolving->length, name, length);
    resolving->length += length;
    resolving->at[resolving->length] = '\0';
    return 0;
}

static void step_up(struct resolving *resolving)
{
    while (resolving->length > 0 && resolving->at[--resolving->length] != '/')
        ;
    resolving->at[resolving->length] = '\0';
}

/* The link's text takes the place of its name, before what was left. */
static int link_follow(struct resolving *resolving, int fd, const char *rest, struct error *err)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(fd, "", target, sizeof(target) - 1);
    size_t left = strlen(rest);

    if (length < 0)
        return error_sys(err, errno, "read the link %s", resolving->at);
    if (++resolving->links > LINKS || (size_t)length + 1 + left >= sizeof(resolving->todo))
        return error_set(err, ERROR_INVALID_ARGUMENT, "/%.200s: too many links, or too long ones",
                         resolving->at);
    step_up(resolving);
    if (target[0] == '/')
        resolving->at[resolving->length = 0] = '\0';
    memmove(resolving->todo + length + 1, rest, left + 1);
    memcpy(resolving->todo, target, (size_t)length);
    resolving->todo[length] = '/';
    return 1;
}

/* 1: resolving->todo is another one now. */
static int step(struct resolving *resolving, const char *name, size_t length, bool follow,
                struct error *err)
{
    struct stat st;
    int fd, result = 0;

    if (length == 2 && memcmp(name, "..", 2) == 0)
        return step_up(resolving), 0;
    if (step_down(resolving, name, length, err) < 0)
        return -1;
    fd = open_within(resolving->root, resolving->at, O_PATH);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_set(err, ERROR_NOT_FOUND, "/%.200s: there is none", resolving->at);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, errno, "open /%.200s", resolving->at);
    if (S_ISLNK(st.st_mode) && (follow || name[length] == '/'))
        result = link_follow(resolving, fd, name + length, err);
    else if (name[length] == '/' && !S_ISDIR(st.st_mode))
        result = error_set(err, ERROR_NOT_FOUND, "/%.200s: is not a folder", resolving->at);
    close(fd);
    return result;
}

int place_resolve(int root, const char *path, bool follow, char resolved[PATH_MAX],
                  struct error *err)
{
    struct resolving resolving = { .root = root, .at = resolved };
    const char *at = resolving.todo;
    size_t length;
    int result;

    resolved[0] = '\0';
    if (strlen(path) >= sizeof(resolving.todo))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: the path is too long", path);
    strcpy(resolving.todo, path);
    for (at += strspn(at, "/"); *at != '\0'; at += strspn(at, "/")) {
        length = strcspn(at, "/");
        if (length == 1 && *at == '.') {
            at += length;
            continue;
        }
        result = step(&resolving, at, length, follow, err);
        if (result < 0)
            return -1;
        at = result == 1 ? resolving.todo : at + length;
    }
    return 0;
}
