/* copy — see copy.h. */
#include "platform/linux/pack/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/linux/pack/entry.h"
#include "platform/linux/pack/links.h"
#include "platform/linux/pack/names.h"
#include "platform/linux/pack/place.h"
#include "platform/linux/unpack/report.h"
#include "platform/scope.h"

#define MQUEUE_MAGIC 0x19800202 /* of the kernel's ipc/mqueue.c, which no header has */

struct copying {
    struct sink *sink;
    const struct ids *ids;
    struct links links;
    char path[PATH_MAX]; /* in the tar */
};

static void fd_drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* No files that somebody has written. */
static bool is_of_kernel(int folder)
{
    struct statfs fs;

    if (fstatfs(folder, &fs) < 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
    case MQUEUE_MAGIC:
        return true;
    default:
        return false;
    }
}

static int thing_put(struct copying *copying, int folder, const char *name, struct error *err);

static int inside_put(struct copying *copying, int folder, struct error *err)
{
    CLEANUP(names_free) struct names names = { 0 };
    size_t length = strlen(copying->path);

    if (names_read(folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        size_t more = strlen(names.items[i]);

        if (length + 1 + more >= sizeof(copying->path))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: a path of more than %zu bytes",
                             copying->path, sizeof(copying->path) - 1);
        copying->path[length] = '/';
        memcpy(copying->path + length + 1, names.items[i], more + 1);
        if (thing_put(copying, folder, names.items[i], err) < 0)
            return -1;
        copying->path[length] = '\0';
    }
    return 0;
}

static int folder_put(struct copying *copying, int folder, const char *name, struct error *err)
{
    CLEANUP(fd_drop) int fd = open_within(folder, name, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return error_sys(err, errno, "open folder %s", copying->path);
    return is_of_kernel(fd) ? 0 : inside_put(copying, fd, err);
}

/* What is gone between listing and looking was never there. */
static int thing_put(struct copying *copying, int folder, const char *name, struct error *err)
{
    struct stat st;
    struct entry_place place = { .folder = folder, .name = name, .path = copying->path, .st = &st };
    struct link_group *group = NULL;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, "stat %s", copying->path);
    ids_inside(copying->ids, &st);
    if (S_ISSOCK(st.st_mode))
        return 0;
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
        group = links_group(&copying->links, &st, err);
        if (group == NULL)
            return -1;
        place.link = group->told;
    }
    if (entry_put(copying->sink, &place, err) < 0)
        return error_wrap(err, "%.200s", copying->path);
    if (group != NULL && group->told == NULL && links_told(group, copying->path, err) < 0)
        return -1;
    return S_ISDIR(st.st_mode) ? folder_put(copying, folder, name, err) : 0;
}

/* The folder that it lies in, and its name there; of the root itself ".". */
static int parent_open(int root, const char *resolved, const char **name, struct error *err)
{
    const char *slash = strrchr(resolved, '/');
    char folder[PATH_MAX];
    int fd;

    *name = slash != NULL ? slash + 1 : *resolved != '\0' ? resolved : ".";
    snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - resolved) : 0, resolved);
    fd = open_within(root, folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        error_sys(err, errno, "open /%.200s", folder);
    return fd;
}

/* What the entries begin with: the last name as it was said. */
static void name_said(const char *path, char name[PATH_MAX])
{
    size_t length = strlen(path), start;

    while (length > 0 && path[length - 1] == '/')
        length--;
    for (start = length; start > 0 && path[start - 1] != '/'; start--)
        ;
    snprintf(name, PATH_MAX, "%.*s", (int)(length - start), path + start);
    if (*name == '\0' || strcmp(name, "..") == 0)
        strcpy(name, ".");
}

int copy_write(int root, const struct ids *ids, const char *path, struct sink *sink,
               struct error *err)
{
    static struct copying copying;
    CLEANUP(fd_drop) int folder = -1;
    char resolved[PATH_MAX];
    const char *name;
    struct stat st;

    copying.sink = sink;
    copying.ids = ids;
    if (place_resolve(root, path, false, resolved, err) < 0 ||
        (folder = parent_open(root, resolved, &name, err)) < 0)
        return -1;
    if (is_of_kernel(folder))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "/%.200s: lies in a file system of the kernel, which is not copied",
                         resolved);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "/%.200s", resolved);
    if (S_ISSOCK(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "/%.200s: is a socket, which no archive can hold", resolved);
    name_said(path, copying.path);
    return thing_put(&copying, folder, name, err) < 0 ? -1 : tar_end(sink, err);
}

int copy_stat(int root, const char *path, struct sink *sink, struct error *err)
{
    CLEANUP(fd_drop) int folder = -1;
    char resolved[PATH_MAX], target[PATH_MAX] = "";
    const char *name;
    struct stat st;
    char none[SHA256_TEXT_SIZE];

    if (place_resolve(root, path, false, resolved, err) < 0 ||
        (folder = parent_open(root, resolved, &name, err)) < 0)
        return -1;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "/%.200s", resolved);
    if (S_ISLNK(st.st_mode) && readlinkat(folder, name, target, sizeof(target) - 1) < 0)
        return error_sys(err, errno, "read the link /%.200s", resolved);
    if (sink_bytes(sink, resolved, strlen(resolved) + 1, err) < 0 ||
        sink_bytes(sink, target, strlen(target) + 1, err) < 0 ||
        sink_finish(sink, none, none, err) < 0)
        return -1;
    report_line("stat %o %" PRIu64 " %" PRId64 " %ld", st.st_mode, (uint64_t)st.st_size,
                (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return 0;
}
