/* confine — see confine.h. */
#include "platform/linux/unpack/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/layer_marks.h"
#include "platform/linux/unpack/look.h"
#include "platform/linux/unpack/protocol.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* their shadow memory is terabytes of addresses */
#else
#define SANITIZED 0
#endif

#define LOWERS     "lowerdir="
#define MEMORY_MAX (512l << 20) /* of addresses */
#define FLAGS      (MS_NODEV | MS_NOSUID | MS_NOEXEC)

int confine_descriptors(struct error *err)
{
    if (close_range(3, ~0u, 0) < 0)
        return error_sys(err, errno, "close inherited descriptors");
    umask(0);
    return 0;
}

static int lock_open(const char *folder, struct confined *confined, struct error *err)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/" UNPACK_LOCK, folder) >= (int)sizeof(path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: path is too long", folder);
    confined->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return confined->lock < 0 ? error_sys(err, errno, "open %s", path) : 0;
}

int confine_lock(const char *folder, struct confined *confined, struct error *err)
{
    if (lock_open(folder, confined, err) < 0)
        return -1;
    if (flock(confined->lock, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s: somebody is unpacking here", folder);
    return 0;
}

int confine_lock_wait(const char *folder, struct confined *confined, struct error *err)
{
    if (lock_open(folder, confined, err) < 0)
        return -1;
    if (flock(confined->lock, LOCK_EX) < 0)
        return error_sys(err, errno, "wait for the lock of %s", folder);
    return 0;
}

/* ---- mounts --------------------------------------------------------------------- */

/* The parents by descriptors that were opened on their paths: so the option's length depends on
   their number only, and no path has to be escaped. */
static int lowers_open(char *const *lowers, size_t count, char *option, size_t room,
                       struct error *err)
{
    const char *more = layer_marks()->option;
    size_t have = (size_t)snprintf(option, room, "%s%s" LOWERS, more != NULL ? more : "",
                                   more != NULL ? "," : "");
    int fd;

    for (size_t i = 0; i < count; i++) {
        fd = open(lowers[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return error_sys(err, errno, "open parent %s", lowers[i]);
        have += (size_t)snprintf(option + have, room - have, "%s%d", i > 0 ? ":" : "", fd);
        if (have >= room)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%zu parents are too many", count);
    }
    return 0;
}

/* In /proc/self/fd every descriptor is a path. */
static int lower_mount(const char *option, size_t count, int at, struct error *err)
{
    const char *first = strstr(option, LOWERS) + strlen(LOWERS);
    char target[16];

    snprintf(target, sizeof(target), "%d", at);
    if (chdir("/proc/self/fd") < 0)
        return error_sys(err, errno, "enter /proc/self/fd");
    if (count > 1)
        return mount("overlay", target, "overlay", MS_RDONLY | FLAGS, option) < 0
                   ? error_sys(err, errno, "mount %zu parents", count)
                   : 0;
    return mount(first, target, NULL, MS_BIND, NULL) < 0 ? error_sys(err, errno, "mount the parent")
                                                         : 0;
}

/* A mount of its own for the folder, then an empty root in the folder's place, into which both
   folder and parents go. */
static int root_make(const char *folder, int *root, struct error *err)
{
    int tree = open_tree(AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (tree < 0)
        return error_sys(err, errno, "open %s", folder);
    if (mount("gantry-unpack", folder, "tmpfs", FLAGS, "mode=0700,size=64k") < 0 ||
        (*root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        mkdirat(*root, "folder", 0700) < 0 || mkdirat(*root, "lower", 0700) < 0 ||
        move_mount(tree, "", *root, "folder", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_sys(err, errno, "make a root");
    close(tree);
    return 0;
}

/* Adds to what a mount has: in a user namespace the rest may be locked (mount_namespaces(7)). */
static int restrict_mount(const char *path, uint64_t more)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
                                           MOUNT_ATTR_NOEXEC | more };

    return mount_setattr(AT_FDCWD, path, 0, &attr, sizeof(attr));
}

static int root_enter(int root, struct error *err)
{
    struct mount_attr attr;

    if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
        chdir("/") < 0)
        return error_sys(err, errno, "enter the root");
    if (restrict_mount("/folder", 0) < 0 || restrict_mount("/", MOUNT_ATTR_RDONLY) < 0)
        return error_sys(err, errno, "restrict the root");
    attr = (struct mount_attr){ .attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };
    if (mount_setattr(AT_FDCWD, "/folder", 0, &attr, sizeof(attr)) < 0 && errno != EPERM)
        return error_sys(err, errno, "restrict the root"); /* EPERM: locked */
    return 0;
}

static int namespace_make(struct error *err)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_sys(err, errno, "make a mount namespace");
    return 0;
}

static int folder_open(struct confined *confined, struct error *err)
{
    confined->folder = open("/folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return confined->folder < 0 ? error_sys(err, errno, "open the folder") : 0;
}

int confine_mounts(const char *folder, char *const *lowers, size_t count, struct confined *confined,
                   struct error *err)
{
    char option[4096]; /* a page, as mount() takes */
    int root = -1, at;

    confined->lower = -1;
    if (namespace_make(err) < 0 || lowers_open(lowers, count, option, sizeof(option), err) < 0 ||
        root_make(folder, &root, err) < 0)
        return -1;
    if (count > 0) {
        at = openat(root, "lower", O_PATH | O_CLOEXEC);
        if (at < 0 || lower_mount(option, count, at, err) < 0)
            return at < 0 ? error_sys(err, errno, "open the place of the parents") : -1;
    }
    if (root_enter(root, err) < 0)
        return -1;
    if (count > 0) {
        if (count == 1 && restrict_mount("/lower", MOUNT_ATTR_RDONLY) < 0)
            return error_sys(err, errno, "restrict the parent");
        confined->lower = open("/lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (confined->lower < 0)
            return error_sys(err, errno, "open the parents");
    }
    return folder_open(confined, err);
}

/* ---- a root to look at ---------------------------------------------------------------- */

int confine_root(const char *folder, const char *mounts, struct confined *confined,
                 struct error *err)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV |
                                           MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
    int root = -1;

    if (namespace_make(err) < 0 || root_make(folder, &root, err) < 0 ||
        look_mount(folder, mounts, err) < 0 || root_enter(root, err) < 0)
        return -1;
    if (mount_setattr(AT_FDCWD, "/lower", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return error_sys(err, errno, "restrict the root to look at");
    confined->lower = open("/lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (confined->lower < 0)
        return error_sys(err, errno, "open the root to look at");
    return folder_open(confined, err);
}

/* ---- powers ------------------------------------------------------------------------ */

#define BIT(capability) (1u << (capability))

/* MKNOD for devices; SYS_ADMIN for trusted.* attributes, everything else that it allows is
   refused by the filter. */
static const uint32_t kept = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) |
                             BIT(CAP_FSETID) | BIT(CAP_MKNOD) | BIT(CAP_SYS_ADMIN) |
                             BIT(CAP_SETFCAP);

static int limit(int what, rlim_t most, struct error *err)
{
    struct rlimit old;

    if (getrlimit((unsigned)what, &old) < 0)
        return error_sys(err, errno, "read a limit");
    if (most > old.rlim_max)
        most = old.rlim_max;
    if (setrlimit((unsigned)what, &(struct rlimit){ most, most }) < 0)
        return error_sys(err, errno, "set a limit");
    return 0;
}

int confine_powers(struct error *err)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        return error_sys(err, errno, "read capabilities");
    data[0].permitted &= kept;
    data[1].permitted = 0; /* none of them is above 31 */
    for (int i = 0; i < 2; i++) {
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_sys(err, errno, "give up capabilities");
    if (!SANITIZED && limit(RLIMIT_AS, MEMORY_MAX, err) < 0)
        return -1;
    return limit(RLIMIT_CORE, 0, err);
}
