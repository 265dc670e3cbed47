/* See procfs.h. */
#include "platform/linux/runtime/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROOT_INODE 1 /* PROC_ROOT_INO in the kernel's fs/proc: no folder of it, bound here */

static int resolve_open(int folder, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC), .resolve = resolve };

    return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

static int root_open(struct error *err)
{
    int root = resolve_open(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
    struct statfs fs;
    struct stat st;

    if (root < 0)
        return error_sys(err, errno, "/proc");
    if (fstatfs(root, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && fstat(root, &st) == 0 &&
        st.st_ino == ROOT_INODE)
        return root;
    close(root);
    return error_set(err, ERROR_FAILED_PRECONDITION, "/proc is not a procfs");
}

int procfs_open(const char *path, int flags, struct error *err)
{
    int root = root_open(err), file;

    if (root < 0)
        return -1;
    file =
        resolve_open(root, path, flags, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
    if (file < 0 && errno == EXDEV)
        error_set(err, ERROR_FAILED_PRECONDITION, "/proc/%s: something is mounted over it", path);
    else if (file < 0)
        error_sys(err, errno, "/proc/%s", path);
    close(root);
    return file;
}
