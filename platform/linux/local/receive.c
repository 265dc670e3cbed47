/*
 * A container's tar into the user's files: see platform/local_tree.h.
 *
 * libarchive reads the headers; everything is made here, relative to an open folder that openat2()
 * has found below the first one, through no link.  Modes and times of folders are set last.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/local_tree.h"
#include "platform/scope.h"

struct late { /* a folder that was made */
    struct late *next;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec mtime;
    char path[];
};

struct receiving {
    struct local_unpack *unpack;
    struct archive *archive;
    struct archive_entry *entry;
    int folder;
    struct late *late;                     /* the last one first */
    struct error error;                    /* of the reader */
    char path[PATH_MAX], target[PATH_MAX]; /* below the folder; of a hard link */
};

static void receiving_drop(struct receiving **receiving)
{
    struct late *next;

    if (*receiving == NULL)
        return;
    for (struct late *late = (*receiving)->late; late != NULL; late = next) {
        next = late->next;
        free(late);
    }
    archive_read_free((*receiving)->archive);
    file_close(&(*receiving)->folder);
    free(*receiving);
}

static la_ssize_t give(struct archive *archive, void *self, const void **bytes)
{
    struct receiving *receiving = self;
    int64_t got = receiving->unpack->read(receiving->unpack->ctx, bytes, &receiving->error);

    if (got < 0)
        archive_set_error(archive, EIO, "%s", receiving->error.text);
    return (la_ssize_t)got;
}

static int archive_failed(struct receiving *receiving, struct error *err)
{
    if (receiving->error.code != ERROR_NONE)
        return *err = receiving->error, -1;
    return error_set(err, ERROR_DATA_LOSS, "tar: %s", archive_error_string(receiving->archive));
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The entry's name, its first part replaced.  What leads upwards is refused, not tidied up: nobody
   has made such a name but to get out. */
static int path_place(const struct receiving *receiving, const char *raw, char path[PATH_MAX],
                      struct error *err)
{
    const char *name = receiving->unpack->name, *at = raw;
    size_t have = 0, length;
    bool is_first = true;

    for (at += strspn(at, "/"); *at != '\0'; at += length, at += strspn(at, "/")) {
        length = strcspn(at, "/");
        if (length == 2 && memcmp(at, "..", 2) == 0)
            return error_set(err, ERROR_DATA_LOSS, "tar: the name %.200s leads upwards", raw);
        if (length == 1 && *at == '.' && !is_first)
            continue;
        if (have + 1 + length + strlen(name) >= PATH_MAX || length > NAME_MAX)
            return error_set(err, ERROR_DATA_LOSS, "tar: the name %.60s... is too long", raw);
        if (is_first && strcmp(name, ".") != 0)
            have = (size_t)snprintf(path, PATH_MAX, "%s", name);
        if (!is_first)
            have += (size_t)snprintf(path + have, PATH_MAX - have, "%s%.*s", have > 0 ? "/" : "",
                                     (int)length, at);
        is_first = false;
    }
    path[have] = '\0';
    return is_first ? error_set(err, ERROR_DATA_LOSS, "tar: an entry without a name") : 0;
}

/* The folder that `path` lies in, and its name there. */
static int parent_open(const struct receiving *receiving, const char *path, const char **name,
                       struct error *err)
{
    struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                            .resolve =
                                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    int fd;

    *name = slash != NULL ? slash + 1 : path;
    snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 1,
             slash != NULL ? path : ".");
    fd = (int)syscall(SYS_openat2, receiving->folder, folder, &how, sizeof(how));
    if (fd < 0 && errno == ELOOP)
        error_set(err, ERROR_FAILED_PRECONDITION,
                  "%.200s: a link is in the way, and none is followed", folder);
    else if (fd < 0)
        error_sys(err, errno, "%.200s", folder);
    return fd;
}

/* Makes room for something that is no folder. */
static int make_room(int folder, const char *name, struct error *err)
{
    struct stat st;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, "%s", name);
    if (S_ISDIR(st.st_mode))
        return error_set(err, ERROR_FAILED_PRECONDITION, "is a folder here, which stays");
    return unlinkat(folder, name, 0) < 0 ? error_sys(err, errno, "remove %s", name) : 0;
}

/* ---- attributes -------------------------------------------------------------------------------
 */

static struct timespec mtime_of(struct archive_entry *entry)
{
    return (struct timespec){ archive_entry_mtime(entry), archive_entry_mtime_nsec(entry) };
}

static mode_t mode_of(const struct receiving *receiving)
{
    return archive_entry_perm(receiving->entry) & (receiving->unpack->keep ? 07777 : 0777);
}

static int attributes_set(const struct receiving *receiving, int folder, const char *name,
                          struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime_of(receiving->entry) };
    bool is_link = archive_entry_filetype(receiving->entry) == AE_IFLNK;

    if (receiving->unpack->keep &&
        fchownat(folder, name, (uid_t)archive_entry_uid(receiving->entry),
                 (gid_t)archive_entry_gid(receiving->entry), AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "set the owner");
    if (!is_link && fchmodat(folder, name, mode_of(receiving), 0) < 0)
        return error_sys(err, errno, "set the mode");
    if (utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "set the time");
    return 0;
}

static int late_add(struct receiving *receiving, struct error *err)
{
    struct late *late = malloc(sizeof(*late) + strlen(receiving->path) + 1);

    if (late == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    *late = (struct late){ receiving->late, mode_of(receiving),
                           (uid_t)archive_entry_uid(receiving->entry),
                           (gid_t)archive_entry_gid(receiving->entry), mtime_of(receiving->entry) };
    strcpy(late->path, receiving->path);
    receiving->late = late;
    return 0;
}

static int late_set(struct receiving *receiving, const struct late *late, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, late->mtime };
    const char *name;
    CLEANUP(file_close) int folder = parent_open(receiving, late->path, &name, err);
    CLEANUP(file_close) int fd = -1;

    if (folder < 0)
        return -1;
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (receiving->unpack->keep && fchown(fd, late->uid, late->gid) < 0) ||
        fchmod(fd, late->mode) < 0 || futimens(fd, times) < 0)
        return error_sys(err, errno, "set attributes of %s", late->path);
    return 0;
}

/* ---- one entry ---------------------------------------------------------------------------------
 */

static int folder_make(struct receiving *receiving, int folder, const char *name, struct error *err)
{
    struct stat st;

    if (mkdirat(folder, name, 0700) == 0)
        return late_add(receiving, err);
    if (errno != EEXIST || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "make the folder");
    return S_ISDIR(st.st_mode)
               ? 0
               : error_set(err, ERROR_FAILED_PRECONDITION, "is there, and is no folder");
}

static int bytes_write(struct receiving *receiving, int file, struct error *err)
{
    const void *bytes;
    la_int64_t offset;
    size_t size;
    ssize_t wrote;
    int result;

    while ((result = archive_read_data_block(receiving->archive, &bytes, &size, &offset)) ==
           ARCHIVE_OK)
        for (size_t at = 0; at < size; at += (size_t)wrote) {
            wrote = pwrite(file, (const char *)bytes + at, size - at, offset + (off_t)at);
            if (wrote < 0)
                return error_sys(err, errno, "write");
        }
    if (result != ARCHIVE_EOF)
        return archive_failed(receiving, err);
    return ftruncate(file, archive_entry_size(receiving->entry)) < 0
               ? error_sys(err, errno, "set the size")
               : 0;
}

static int file_make(struct receiving *receiving, int folder, const char *name, struct error *err)
{
    CLEANUP(file_close) int file = -1;

    if (make_room(folder, name, err) < 0)
        return -1;
    file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return error_sys(err, errno, "make the file");
    return bytes_write(receiving, file, err);
}

static int link_make(struct receiving *receiving, int folder, const char *name, struct error *err)
{
    CLEANUP(file_close) int from = -1;
    const char *target;

    if (path_place(receiving, archive_entry_hardlink(receiving->entry), receiving->target, err) <
            0 ||
        (from = parent_open(receiving, receiving->target, &target, err)) < 0 ||
        make_room(folder, name, err) < 0)
        return -1;
    return linkat(from, target, folder, name, 0) < 0 ? error_sys(err, errno, "make the hard link")
                                                     : 0;
}

static int special_make(struct receiving *receiving, int folder, const char *name,
                        struct error *err)
{
    mode_t type = archive_entry_filetype(receiving->entry);

    if (make_room(folder, name, err) < 0)
        return -1;
    if (type == AE_IFLNK)
        return symlinkat(archive_entry_symlink(receiving->entry), folder, name) < 0
                   ? error_sys(err, errno, "make the link")
                   : 0;
    return mknodat(folder, name, type | 0600, archive_entry_rdev(receiving->entry)) < 0
               ? error_sys(err, errno, "make it")
               : 0;
}

static int thing_make(struct receiving *receiving, int folder, const char *name, struct error *err)
{
    mode_t type = archive_entry_filetype(receiving->entry);

    if (archive_entry_hardlink(receiving->entry) != NULL)
        return link_make(receiving, folder, name, err);
    if (type == AE_IFDIR)
        return folder_make(receiving, folder, name, err);
    if ((type == AE_IFCHR || type == AE_IFBLK) && !receiving->unpack->keep) {
        receiving->unpack->left_out++;
        return 0;
    }
    if (type == AE_IFREG ? file_make(receiving, folder, name, err) < 0
                         : special_make(receiving, folder, name, err) < 0)
        return -1;
    return attributes_set(receiving, folder, name, err);
}

static int entry_take(struct receiving *receiving, struct error *err)
{
    const char *raw = archive_entry_pathname(receiving->entry), *name;
    CLEANUP(file_close) int folder = -1;

    if (path_place(receiving, raw != NULL ? raw : "", receiving->path, err) < 0)
        return -1;
    if (receiving->path[0] == '\0') /* the folder itself, which stays as it is */
        return 0;
    folder = parent_open(receiving, receiving->path, &name, err);
    if (folder >= 0 && thing_make(receiving, folder, name, err) == 0)
        return 0;
    return error_wrap(err, "%.200s", receiving->path);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static int begin(struct receiving *receiving, struct error *err)
{
    receiving->folder = open(receiving->unpack->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (receiving->folder < 0)
        return error_sys(err, errno, "%s", receiving->unpack->folder);
    receiving->archive = archive_read_new();
    if (receiving->archive == NULL ||
        archive_read_support_format_tar(receiving->archive) != ARCHIVE_OK)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a tar");
    return archive_read_open(receiving->archive, receiving, NULL, give, NULL) == ARCHIVE_OK
               ? 0
               : archive_failed(receiving, err);
}

/* Names that are no characters of the locale come as they are, with a warning. */
static bool is_read(const struct receiving *receiving, int result)
{
    return result == ARCHIVE_OK ||
           (result == ARCHIVE_WARN && archive_errno(receiving->archive) == EILSEQ);
}

int local_unpack(struct local_unpack *unpack, struct error *err)
{
    CLEANUP(receiving_drop) struct receiving *receiving = calloc(1, sizeof(*receiving));
    int result;

    if (receiving == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a tar");
    receiving->unpack = unpack;
    receiving->folder = -1;
    if (begin(receiving, err) < 0)
        return -1;
    while (is_read(receiving,
                   result = archive_read_next_header(receiving->archive, &receiving->entry)))
        if (entry_take(receiving, err) < 0)
            return -1;
    if (result != ARCHIVE_EOF)
        return archive_failed(receiving, err);
    for (const struct late *late = receiving->late; late != NULL; late = late->next)
        if (late_set(receiving, late, err) < 0)
            return -1;
    return 0;
}
