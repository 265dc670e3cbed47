/*
 * The user's files as a tar: see platform/local_tree.h.
 *
 * From folder to folder by open descriptors, links never followed: what changes meanwhile leads
 * nowhere else.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/local_tree.h"
#include "platform/scope.h"

#define PIECE (64 << 10)

struct name { /* of a file that has several */
    dev_t device;
    ino_t inode;
    char path[];
};

struct sending {
    const struct local_pack *pack;
    struct archive *archive;
    struct archive_entry *entry;
    void *names;        /* tree of struct name */
    struct error error; /* of the writer, which libarchive's callback cannot carry */
    char path[PATH_MAX], target[PATH_MAX], piece[PIECE];
};

static void sending_drop(struct sending *sending)
{
    tdestroy(sending->names, free);
    archive_entry_free(sending->entry);
    archive_write_free(sending->archive);
}

static la_ssize_t take(struct archive *archive, void *self, const void *bytes, size_t size)
{
    struct sending *sending = self;

    if (sending->pack->write(sending->pack->ctx, bytes, size, &sending->error) == 0)
        return (la_ssize_t)size;
    archive_set_error(archive, EIO, "%s", sending->error.text);
    return -1;
}

/* Names that are no UTF-8 go as they are, with a warning. */
static int check(struct sending *sending, la_ssize_t result, struct error *err)
{
    if (result >= ARCHIVE_WARN)
        return 0;
    if (sending->error.code != ERROR_NONE)
        return *err = sending->error, -1;
    return error_set(err, ERROR_INTERNAL, "tar: %s", archive_error_string(sending->archive));
}

/* ---- one thing ------------------------------------------------------------------------------- */

static int by_inode(const void *one, const void *two)
{
    const struct name *a = one, *b = two;

    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return a->inode == b->inode ? 0 : a->inode < b->inode ? -1 : 1;
}

/* The name under which the file is in the tar already; NULL: it is not, but is from now on. */
static int first_name(struct sending *sending, const struct stat *st, const char **first,
                      struct error *err)
{
    struct name *name = malloc(sizeof(*name) + strlen(sending->path) + 1), **found;

    if (name == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    name->device = st->st_dev;
    name->inode = st->st_ino;
    strcpy(name->path, sending->path);
    found = tsearch(name, &sending->names, by_inode);
    *first = found != NULL && *found != name ? (*found)->path : NULL;
    if (*first != NULL || found == NULL)
        free(name);
    return 0;
}

static int describe(struct sending *sending, int folder, const char *name, const struct stat *st,
                    struct error *err)
{
    struct archive_entry *entry = archive_entry_clear(sending->entry);
    const char *first = NULL;
    ssize_t length;

    archive_entry_copy_stat(entry, st);
    archive_entry_copy_pathname(entry, sending->path);
    archive_entry_unset_atime(entry);
    archive_entry_unset_ctime(entry);
    archive_entry_unset_birthtime(entry);
    if (!sending->pack->keep) {
        archive_entry_set_uid(entry, 0);
        archive_entry_set_gid(entry, 0);
    }
    if (S_ISLNK(st->st_mode)) {
        length = readlinkat(folder, name, sending->target, sizeof(sending->target) - 1);
        if (length < 0)
            return error_sys(err, errno, "read the link %s", sending->path);
        sending->target[length] = '\0';
        archive_entry_copy_symlink(entry, sending->target);
    }
    if (!S_ISREG(st->st_mode))
        archive_entry_set_size(entry, 0);
    if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 && first_name(sending, st, &first, err) < 0)
        return -1;
    if (first != NULL) {
        archive_entry_copy_hardlink(entry, first);
        archive_entry_unset_size(entry);
    }
    return 0;
}

/* What grows meanwhile is cut off, what shrinks is filled up by the library. */
static int bytes_send(struct sending *sending, int file, struct error *err)
{
    int64_t left = archive_entry_size(sending->entry);
    ssize_t got;

    for (; left > 0; left -= got) {
        got = read(file, sending->piece, left < PIECE ? (size_t)left : PIECE);
        if (got < 0)
            return error_sys(err, errno, "read %s", sending->path);
        if (got == 0)
            return 0;
        if (check(sending, archive_write_data(sending->archive, sending->piece, (size_t)got), err) <
            0)
            return -1;
    }
    return 0;
}

static int file_send(struct sending *sending, int folder, const char *name, struct error *err)
{
    CLEANUP(file_close)
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (file < 0 || fstat(file, &st) < 0)
        return error_sys(err, errno, "open %s", sending->path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_ABORTED, "%s: has become something else", sending->path);
    archive_entry_set_size(sending->entry, st.st_size);
    if (check(sending, archive_write_header(sending->archive, sending->entry), err) < 0)
        return -1;
    return bytes_send(sending, file, err);
}

/* ---- folders ----------------------------------------------------------------------------------
 */

static int thing_send(struct sending *sending, int folder, const char *name, const struct stat *st,
                      struct error *err);

static int name_send(struct sending *sending, int folder, const char *name, struct error *err)
{
    size_t length = strlen(sending->path), more = strlen(name);
    struct stat st;
    int result;

    if (length + 1 + more >= sizeof(sending->path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: the path is too long",
                         sending->path);
    sending->path[length] = '/';
    memcpy(sending->path + length + 1, name, more + 1);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        result = errno == ENOENT ? 0 : error_sys(err, errno, "%s", sending->path);
    else
        result = thing_send(sending, folder, name, &st, err);
    sending->path[length] = '\0';
    return result;
}

static int inside_send(struct sending *sending, int folder, const char *name, struct error *err)
{
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), result = 0;
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *one;

    if (listing == NULL) {
        error_sys(err, errno, "open folder %s", sending->path);
        file_close(&fd);
        return -1;
    }
    while (result == 0 && (one = readdir(listing)) != NULL)
        if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0)
            result = name_send(sending, dirfd(listing), one->d_name, err);
    closedir(listing);
    return result;
}

static int thing_send(struct sending *sending, int folder, const char *name, const struct stat *st,
                      struct error *err)
{
    if (S_ISSOCK(st->st_mode)) /* no archive can hold one */
        return 0;
    if (describe(sending, folder, name, st, err) < 0)
        return -1;
    if (S_ISREG(st->st_mode) && archive_entry_hardlink(sending->entry) == NULL)
        return file_send(sending, folder, name, err);
    if (check(sending, archive_write_header(sending->archive, sending->entry), err) < 0)
        return -1;
    return S_ISDIR(st->st_mode) ? inside_send(sending, folder, name, err) : 0;
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static int begin(struct sending *sending, struct error *err)
{
    sending->archive = archive_write_new();
    sending->entry = archive_entry_new();
    if (sending->archive == NULL || sending->entry == NULL ||
        archive_write_set_format_pax_restricted(sending->archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(sending->archive, PIECE) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(sending->archive, 1) != ARCHIVE_OK ||
        archive_write_open(sending->archive, sending, NULL, take, NULL) != ARCHIVE_OK)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a tar");
    return 0;
}

/* The path's last name, in its folder; a link there is followed by taking where it leads instead.
 */
static int start_find(const struct local_pack *pack, char path[PATH_MAX], const char **name,
                      struct error *err)
{
    char *real = pack->follow ? realpath(pack->path, path) : NULL, *slash;
    size_t length = strlen(pack->path);

    if (pack->follow && real == NULL)
        return error_sys(err, errno, "%s", pack->path);
    if (!pack->follow && length >= PATH_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: the path is too long", pack->path);
    if (!pack->follow)
        strcpy(path, pack->path);
    for (length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
    slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (slash != NULL && slash[1] == '\0')
        *name = ".";
    return 0;
}

static int folder_open(const char *path, const char *name, struct error *err)
{
    char folder[PATH_MAX];
    int fd;

    if (path == name)
        strcpy(folder, ".");
    else if (strcmp(path, "/") == 0)
        strcpy(folder, "/");
    else
        snprintf(folder, sizeof(folder), "%.*s/", (int)(name - path - 1), path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        error_sys(err, errno, "%s", folder);
    return fd;
}

static void sending_free(struct sending **sending)
{
    if (*sending != NULL)
        sending_drop(*sending);
    free(*sending);
}

int local_pack(const struct local_pack *pack, struct error *err)
{
    CLEANUP(sending_free) struct sending *sending = calloc(1, sizeof(*sending));
    CLEANUP(file_close) int folder = -1;
    char path[PATH_MAX];
    const char *name = path;
    struct stat st;

    if (sending == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a tar");
    sending->pack = pack;
    if (start_find(pack, path, &name, err) < 0 || (folder = folder_open(path, name, err)) < 0 ||
        begin(sending, err) < 0)
        return -1;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "%s", pack->path);
    if (S_ISSOCK(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: is a socket, which no archive can hold",
                         pack->path);
    snprintf(sending->path, sizeof(sending->path), "%s", pack->name);
    if (thing_send(sending, folder, name, &st, err) < 0)
        return -1;
    return check(sending, archive_write_close(sending->archive), err);
}
