/* Files and folders, by path and by descriptor. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

#define HOOK(what, err)                     \
    do {                                    \
        if (hook_platform_call(what, err))  \
            return -1;                      \
    } while (0)

int path_format(char path[PATH_SIZE], struct error *err, const char *fmt, ...)
{
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(path, PATH_SIZE, fmt, args);
    va_end(args);
    if (length < 0 || length >= PATH_SIZE)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "path %.60s... is longer than %d bytes",
                         path, PATH_SIZE - 1);
    return 0;
}

int fs_stat(const char *path, struct fs_info *info, struct error *err)
{
    struct stat st;

    HOOK("stat", err);
    if (lstat(path, &st) < 0)
        return error_sys(err, errno, "stat %s", path);
    *info = (struct fs_info){
        .size = (uint64_t)st.st_size,
        .changed = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .is_folder = S_ISDIR(st.st_mode),
        .is_file = S_ISREG(st.st_mode),
    };
    return 0;
}

bool fs_exists(const char *path)
{
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int fs_folder_make(const char *path, unsigned mode, struct error *err)
{
    HOOK("mkdir", err);
    if (mkdir(path, (mode_t)mode) < 0 && errno != EEXIST)
        return error_sys(err, errno, "make folder %s", path);
    if (chmod(path, (mode_t)mode) < 0)
        return error_sys(err, errno, "set mode of folder %s", path);
    return 0;
}

int fs_folder_new(const char *path, unsigned mode, struct error *err)
{
    HOOK("mkdir new", err);
    if (mkdir(path, (mode_t)mode) < 0)
        return error_sys(err, errno, "make folder %s", path);
    if (chmod(path, (mode_t)mode) < 0)
        return error_sys(err, errno, "set mode of folder %s", path);
    return 0;
}

static int folder_make_above(const char *path, struct error *err)
{
    HOOK("mkdir above", err);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return error_sys(err, errno, "make folder %s", path);
    return 0;
}

int fs_folder_make_all(const char *path, unsigned mode, struct error *err)
{
    char part[PATH_SIZE];

    if (path_format(part, err, "%s", path) < 0)
        return -1;
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!fs_exists(part) && folder_make_above(part, err) < 0)
            return -1;
        *slash = '/';
    }
    return fs_folder_make(path, mode, err);
}

static void folder_close(DIR **folder)
{
    if (*folder != NULL)
        closedir(*folder);
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int fs_folder_each(const char *path, int (*each)(void *ctx, const char *name, struct error *err),
                   void *ctx, struct error *err)
{
    CLEANUP(folder_close) DIR *folder = NULL;
    struct dirent *entry;

    HOOK("opendir", err);
    folder = opendir(path);
    if (folder == NULL)
        return error_sys(err, errno, "open folder %s", path);
    while ((entry = readdir(folder)) != NULL)
        if (!is_dot(entry->d_name) && each(ctx, entry->d_name, err) < 0)
            return -1;
    return 0;
}

int fs_folder_sync(const char *path, struct error *err)
{
    CLEANUP(file_close) int folder = -1;

    HOOK("fsync folder", err);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fsync(folder) < 0)
        return error_sys(err, errno, "sync folder %s", path);
    return 0;
}

/* Removes what is in the folder behind `fd` (which it closes). */
static int remove_inside(int fd, dev_t device)
{
    CLEANUP(folder_close) DIR *folder = fdopendir(fd);
    struct dirent *entry;
    struct error failed = { 0 };

    if (folder == NULL) {
        close(fd);
        return -1;
    }
    if (hook_platform_call("remove inside", &failed)) {
        errno = failed.os;
        return -1;
    }
    while ((entry = readdir(folder)) != NULL) {
        struct stat st;
        int inner;

        if (is_dot(entry->d_name))
            continue;
        if (unlinkat(dirfd(folder), entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM && errno != ENOTEMPTY)
            return -1;
        inner =
            openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0)
            return -1;
        if (fstat(inner, &st) < 0 || st.st_dev != device) {
            close(inner);
            errno = EXDEV; /* something is mounted here: not ours to empty */
            return -1;
        }
        if (remove_inside(inner, device) < 0 ||
            unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR) < 0)
            return -1;
    }
    return 0;
}

int fs_remove_tree(const char *path, struct error *err)
{
    struct stat st;
    int fd;

    HOOK("remove", err);
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, errno, "remove %s", path);
    if (remove_inside(fd, st.st_dev) < 0 || rmdir(path) < 0)
        return error_sys(err, errno, "remove %s", path);
    return 0;
}

int fs_remove(const char *path, struct error *err)
{
    HOOK("unlink", err);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_sys(err, errno, "remove %s", path);
    return 0;
}

int fs_owner(const char *path, uint32_t uid, uint32_t gid, struct error *err)
{
    HOOK("chown", err);
    return lchown(path, uid, gid) < 0 ? error_sys(err, errno, "set the owner of %s", path) : 0;
}

int fs_rename(const char *from, const char *to, struct error *err)
{
    HOOK("rename", err);
    if (rename(from, to) < 0)
        return error_sys(err, errno, "rename %s to %s", from, to);
    return 0;
}

int fs_exchange(const char *from, const char *to, struct error *err)
{
    HOOK("exchange", err);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != ENOENT || fs_exists(to))
        return error_sys(err, errno, "exchange %s and %s", from, to);
    return fs_rename(from, to, err);
}

char *fs_read(const char *path, size_t limit, size_t *size, struct error *err)
{
    CLEANUP(file_close) int file = -1;
    char *text;
    size_t have = 0;
    ssize_t got = 0;
    struct stat st;

    if (hook_platform_call("read file", err))
        return NULL;
    file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &st) < 0) {
        error_sys(err, errno, "open %s", path);
        return NULL;
    }
    if ((uint64_t)st.st_size > limit) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s has %lld bytes, the limit is %zu", path,
                  (long long)st.st_size, limit);
        return NULL;
    }
    limit = st.st_size > 0 ? (size_t)st.st_size : limit; /* /proc files say 0 */
    text = malloc(limit + 1);
    if (text == NULL) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for %s", path);
        return NULL;
    }
    while (have < limit && (got = read(file, text + have, limit - have)) > 0)
        have += (size_t)got;
    if (got < 0) {
        error_sys(err, errno, "read %s", path);
        free(text);
        return NULL;
    }
    text[have] = '\0';
    if (size != NULL)
        *size = have;
    return text;
}

static int parent_sync(const char *path, struct error *err)
{
    char parent[PATH_SIZE];
    char *slash;

    if (path_format(parent, err, "%s", path) < 0)
        return -1;
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return fs_folder_sync(".", err);
    *(slash == parent ? slash + 1 : slash) = '\0';
    return fs_folder_sync(parent, err);
}

int fs_follow(const char *path, char out[PATH_SIZE], struct error *err)
{
    _Static_assert(PATH_SIZE >= PATH_MAX, "realpath writes so much");

    HOOK("follow links", err);
    if (realpath(path, out) != NULL)
        return 0;
    if (errno != ENOENT)
        return error_sys(err, errno, "follow %s", path);
    return path_format(out, err, "%s", path);
}

int fs_write(const char *path, const void *data, size_t size, unsigned mode, bool durable,
             struct error *err)
{
    CLEANUP(file_close) int file = -1;
    char beside[PATH_SIZE];

    HOOK("write file", err);
    if (path_format(beside, err, "%s.new", path) < 0)
        return -1;
    unlink(beside);
    file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (file < 0)
        return error_sys(err, errno, "create %s", beside);
    if (fchmod(file, (mode_t)mode) < 0 || file_write(file, data, size, err) < 0 ||
        (durable && file_sync(file, err) < 0) || fs_rename(beside, path, err) < 0) {
        if (err->code == ERROR_NONE)
            error_sys(err, errno, "write %s", beside);
        unlink(beside);
        return -1;
    }
    return durable ? parent_sync(path, err) : 0;
}

int fs_write_new(const char *path, const void *data, size_t size, unsigned mode, struct error *err)
{
    CLEANUP(file_close) int file = -1;

    HOOK("write file", err);
    file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (file < 0)
        return error_sys(err, errno, "create %s", path);
    if (fchmod(file, (mode_t)mode) < 0)
        return error_sys(err, errno, "write %s", path);
    return file_write(file, data, size, err);
}

int file_open_append(const char *path, uint64_t offset, int *file, struct error *err)
{
    HOOK("open", err);
    *file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*file < 0)
        return error_sys(err, errno, "open %s", path);
    if (ftruncate(*file, (off_t)offset) < 0 || lseek(*file, (off_t)offset, SEEK_SET) < 0) {
        error_sys(err, errno, "cut %s to %llu bytes", path, (unsigned long long)offset);
        file_close(file);
        return -1;
    }
    return 0;
}

int file_open_unnamed(const char *folder, int *file, struct error *err)
{
    HOOK("open", err);
    *file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return *file < 0 ? error_sys(err, errno, "make a file in %s", folder) : 0;
}

int file_open_stream(const char *path, int *file, struct error *err)
{
    HOOK("open", err);
    *file = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return *file < 0 ? error_sys(err, errno, "open %s", path) : 0;
}

int file_open_read(const char *path, int *file, struct error *err)
{
    HOOK("open", err);
    *file = open(path, O_RDONLY | O_CLOEXEC);
    if (*file < 0)
        return error_sys(err, errno, "open %s", path);
    return 0;
}

int file_write(int file, const void *data, size_t size, struct error *err)
{
    const char *at = data;

    HOOK("write", err);
    while (size > 0) {
        ssize_t wrote = write(file, at, size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_sys(err, errno, "write");
        at += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

int64_t file_read(int file, void *data, size_t room, struct error *err)
{
    ssize_t got;

    HOOK("read", err);
    while ((got = read(file, data, room)) < 0 && errno == EINTR)
        ;
    return got < 0 ? error_sys(err, errno, "read") : got;
}

int64_t file_read_at(int file, void *data, size_t room, uint64_t offset, struct error *err)
{
    ssize_t got;

    HOOK("read", err);
    while ((got = pread(file, data, room, (off_t)offset)) < 0 && errno == EINTR)
        ;
    return got < 0 ? error_sys(err, errno, "read") : got;
}

bool file_is_at(int file, const char *path)
{
    struct stat open_one, named;

    return fstat(file, &open_one) == 0 && lstat(path, &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

uint64_t file_identity(int file)
{
    struct stat info;

    return fstat(file, &info) == 0 ? info.st_ino : 0;
}

int file_sync(int file, struct error *err)
{
    HOOK("fsync", err);
    if (fsync(file) < 0)
        return error_sys(err, errno, "sync");
    return 0;
}

int file_mode(int file, unsigned mode, struct error *err)
{
    HOOK("chmod", err);
    if (fchmod(file, (mode_t)mode) < 0)
        return error_sys(err, errno, "set mode");
    return 0;
}

void file_close(int *file)
{
    if (*file >= 0)
        close(*file);
    *file = -1;
}

int fs_sync_all(const char *path, struct error *err)
{
    CLEANUP(file_close) int fd = -1;

    HOOK("syncfs", err);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0)
        return error_sys(err, errno, "sync the file system of %s", path);
    return 0;
}

int fs_free_bytes(const char *path, uint64_t *available, struct error *err)
{
    struct statvfs st;

    HOOK("statvfs", err);
    if (statvfs(path, &st) < 0)
        return error_sys(err, errno, "free space of %s", path);
    *available = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

/* What a copy of a file has, too; times of change are its own. */
static bool is_as_below(const struct stat *st, const struct stat *below)
{
    return st->st_mode == below->st_mode && st->st_uid == below->st_uid &&
           st->st_gid == below->st_gid && st->st_rdev == below->st_rdev &&
           (S_ISDIR(st->st_mode) || st->st_size == below->st_size) &&
           st->st_mtim.tv_sec == below->st_mtim.tv_sec &&
           st->st_mtim.tv_nsec == below->st_mtim.tv_nsec;
}

struct measured {
    uint64_t size, inodes;
};

static int measure_inside(int fd, int below, struct measured *sum);

static int measure_entry(int folder, int below, const char *name, struct measured *sum)
{
    CLEANUP(file_close) int inner_below = -1;
    struct stat st, other;
    int inner;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (below < 0 || fstatat(below, name, &other, AT_SYMLINK_NOFOLLOW) < 0 ||
        !is_as_below(&st, &other)) {
        /* A hard-linked file is counted in parts, so that all its names make one. */
        sum->size +=
            (uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : (uint64_t)st.st_nlink);
        sum->inodes++;
    }
    if (!S_ISDIR(st.st_mode))
        return 0;
    inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return -1;
    if (below >= 0)
        inner_below = openat(below, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return measure_inside(inner, inner_below, sum);
}

static int measure_inside(int fd, int below, struct measured *sum)
{
    CLEANUP(folder_close) DIR *folder = fdopendir(fd);
    struct dirent *entry;

    if (folder == NULL) {
        close(fd);
        return -1;
    }
    while ((entry = readdir(folder)) != NULL)
        if (!is_dot(entry->d_name) && measure_entry(fd, below, entry->d_name, sum) < 0)
            return -1;
    return 0;
}

int fs_usage(const char *path, const char *below, uint64_t *size, uint64_t *inodes,
             struct error *err)
{
    CLEANUP(file_close) int below_fd = -1;
    struct measured sum = { 0 };
    int fd;

    HOOK("usage", err);
    if (below != NULL)
        below_fd = open(below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if ((below != NULL && below_fd < 0) || fd < 0 || measure_inside(fd, below_fd, &sum) < 0)
        return error_sys(err, errno, "measure %s", path);
    *size = sum.size;
    *inodes = sum.inodes;
    return 0;
}

static void holder_read(int lock, struct holder *holder)
{
    char text[256] = { 0 };

    memset(holder, 0, sizeof(*holder));
    if (pread(lock, text, sizeof(text) - 1, 0) > 0)
        sscanf(text, "%d %199[^\n]", &holder->pid, holder->command);
    holder->is_gone = holder->pid > 0 && kill(holder->pid, 0) < 0 && errno == ESRCH;
}

int lock_take(const char *path, int *lock, struct holder *holder, struct error *err)
{
    char text[256];
    int length;

    HOOK("lock", err);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock < 0)
        return error_sys(err, errno, "open lock %s", path);
    if (flock(*lock, LOCK_EX | LOCK_NB) < 0) {
        holder_read(*lock, holder);
        file_close(lock);
        return error_set(err, ERROR_FAILED_PRECONDITION, "%s is held by process %d (%s)", path,
                         holder->pid, holder->command);
    }
    length = snprintf(text, sizeof(text), "%d %s\n", (int)getpid(), process_name());
    if (ftruncate(*lock, 0) < 0 || pwrite(*lock, text, (size_t)length, 0) != length) {
        error_sys(err, errno, "write lock %s", path);
        file_close(lock);
        return -1;
    }
    return 0;
}

int lock_wait(const char *path, int wait_ms, int *lock, struct holder *holder, struct error *err)
{
    const struct timespec turn = { .tv_nsec = 5000000 };
    int64_t until = clock_monotonic() + wait_ms * INT64_C(1000000);

    while (lock_take(path, lock, holder, err) < 0) {
        if (err->code != ERROR_FAILED_PRECONDITION || clock_monotonic() >= until)
            return -1;
        nanosleep(&turn, NULL);
    }
    return 0;
}

void lock_drop(int *lock)
{
    if (*lock >= 0 && ftruncate(*lock, 0) < 0)
        (void)0; /* the lock goes with the descriptor; the text is only for messages */
    file_close(lock);
}
