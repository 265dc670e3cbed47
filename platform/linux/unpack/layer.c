/* layer — see layer.h. */
#include "platform/linux/unpack/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "platform/linux/pack/ids.h"
#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/deferred.h"
#include "platform/linux/unpack/entry.h"
#include "platform/linux/unpack/node.h"
#include "platform/linux/unpack/report.h"
#include "platform/linux/unpack/whiteout.h"
#include "platform/scope.h"

#define ID_MAX 0xfffffffeu /* the one above means "leave it" to chown() */

struct layer {
    struct stream *stream;
    struct tree *tree;
    struct archive *archive;
    struct error stream_error; /* of the stream, which libarchive's callback cannot carry */
    char path[PATH_MAX], target[PATH_MAX];
    struct xattr *xattrs;
    size_t xattr_room;
    uint64_t entries, max_entries;
};

/* ---- names ----------------------------------------------------------------------- */

/* No leading slash, no empty parts, no dots. */
static int path_clean(const char *raw, char clean[PATH_MAX], struct error *err)
{
    size_t have = 0, length;

    for (raw += strspn(raw, "/"); *raw != '\0'; raw += length, raw += strspn(raw, "/")) {
        length = strcspn(raw, "/");
        if (length == 1 && raw[0] == '.')
            continue;
        if (length == 2 && raw[0] == '.' && raw[1] == '.') {
            while (have > 0 && clean[--have] != '/')
                ;
            continue;
        }
        if (length > NAME_MAX || have + 1 + length >= PATH_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "a name of more than %d bytes",
                             length > NAME_MAX ? NAME_MAX : PATH_MAX - 1);
        if (have > 0)
            clean[have++] = '/';
        memcpy(clean + have, raw, length);
        have += length;
    }
    clean[have] = '\0';
    return 0;
}

/* Below the place where all goes. */
static int path_place(const struct layer *layer, const char *raw, char clean[PATH_MAX],
                      struct error *err)
{
    const char *prefix = layer->tree->prefix;
    char inner[PATH_MAX];

    if (*prefix == '\0')
        return path_clean(raw, clean, err);
    if (path_clean(raw, inner, err) < 0)
        return -1;
    if (snprintf(clean, PATH_MAX, "%s%s%s", prefix, *inner != '\0' ? "/" : "", inner) >= PATH_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "a name of more than %d bytes", PATH_MAX - 1);
    return 0;
}

/* ---- headers --------------------------------------------------------------------- */

static int xattrs_read(struct layer *layer, struct archive_entry *from, struct entry *entry,
                       struct error *err)
{
    size_t count = (size_t)archive_entry_xattr_reset(from);

    if (count > layer->xattr_room) {
        struct xattr *room = realloc(layer->xattrs, count * sizeof(*room));

        if (room == NULL)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for %zu attributes",
                             count);
        layer->xattrs = room;
        layer->xattr_room = count;
    }
    for (size_t i = 0; i < count; i++) {
        struct xattr *xattr = &layer->xattrs[i];

        archive_entry_xattr_next(from, &xattr->name, &xattr->value, &xattr->size);
    }
    entry->xattrs = layer->xattrs;
    entry->xattr_count = count;
    return attributes_check(entry, err);
}

static int target_read(struct layer *layer, struct archive_entry *from, struct entry *entry,
                       struct error *err)
{
    const char *hard = archive_entry_hardlink(from), *soft = archive_entry_symlink(from);

    if (hard != NULL) {
        entry->type = 0;
        entry->target = layer->target;
        return path_place(layer, hard, layer->target, err);
    }
    entry->target = soft;
    if (S_ISLNK(entry->type) && (soft == NULL || *soft == '\0'))
        return error_set(err, ERROR_INVALID_ARGUMENT, "a symbolic link to nothing");
    return 0;
}

static int entry_read(struct layer *layer, struct archive_entry *from, struct entry *entry,
                      struct error *err)
{
    int64_t uid = archive_entry_uid(from), gid = archive_entry_gid(from);
    const char *path = archive_entry_pathname(from);
    struct {
        uid_t uid;
        gid_t gid;
    } owner;

    if (path == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "an entry without a name");
    if (path_place(layer, path, layer->path, err) < 0)
        return -1;
    if (uid < 0 || uid > ID_MAX || gid < 0 || gid > ID_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "owner %lld:%lld does not exist",
                         (long long)uid, (long long)gid);
    owner.uid = (uid_t)uid;
    owner.gid = (gid_t)gid;
    if (layer->tree->owners != NULL && !ids_outside(layer->tree->owners, &owner.uid, &owner.gid))
        return error_set(err, ERROR_INVALID_ARGUMENT, "owner %lld:%lld is nobody in the container",
                         (long long)uid, (long long)gid);
    *entry = (struct entry){
        .path = layer->path,
        .type = archive_entry_filetype(from),
        .mode = archive_entry_perm(from) & 07777,
        .uid = owner.uid,
        .gid = owner.gid,
        .device = makedev((unsigned)archive_entry_rdevmajor(from),
                          (unsigned)archive_entry_rdevminor(from)),
        .mtime = { archive_entry_mtime(from), archive_entry_mtime_nsec(from) },
    };
    if (target_read(layer, from, entry, err) < 0)
        return -1;
    return xattrs_read(layer, from, entry, err);
}

/* ---- data ------------------------------------------------------------------------- */

static int archive_failed(struct layer *layer, struct error *err)
{
    const char *text = archive_error_string(layer->archive);

    if (layer->stream_error.code != ERROR_NONE) {
        *err = layer->stream_error;
        return -1;
    }
    return error_set(
        err, archive_errno(layer->archive) == ENOMEM ? ERROR_RESOURCE_EXHAUSTED : ERROR_DATA_LOSS,
        "tar: %s", text != NULL ? text : "damaged");
}

static la_ssize_t stream_read(struct archive *archive, void *self, const void **block)
{
    struct layer *layer = self;
    size_t size;

    if (stream_next(layer->stream, block, &size, &layer->stream_error) < 0) {
        archive_set_error(archive, EIO, "%s", layer->stream_error.text);
        return -1;
    }
    report_progress(stream_bytes(layer->stream), layer->entries);
    return (la_ssize_t)size;
}

static int write_all(int fd, const char *bytes, size_t size, off_t offset, bool sparse,
                     struct error *err)
{
    ssize_t wrote;

    for (size_t at = 0; at < size; at += (size_t)wrote) {
        wrote = sparse ? pwrite(fd, bytes + at, size - at, offset + (off_t)at)
                       : write(fd, bytes + at, size - at);
        if (wrote < 0)
            return error_sys(err, errno, "write");
    }
    return 0;
}

/* The file's bytes; holes stay holes.  *size: bytes that were written. */
static int data_write(struct layer *layer, int fd, int64_t length, uint64_t *size,
                      struct error *err)
{
    const void *bytes;
    size_t count;
    la_int64_t offset, end = 0;
    int result;

    *size = 0;
    while ((result = archive_read_data_block(layer->archive, &bytes, &count, &offset)) ==
           ARCHIVE_OK) {
        if (offset < 0 || (offset != end && offset + (la_int64_t)count > length))
            return error_set(err, ERROR_DATA_LOSS, "tar: a piece of the file lies outside it");
        if (write_all(fd, bytes, count, offset, offset != end, err) < 0)
            return -1;
        if (offset != end && lseek(fd, offset + (la_int64_t)count, SEEK_SET) < 0)
            return error_sys(err, errno, "seek");
        end = offset + (la_int64_t)count;
        *size += count;
    }
    if (result != ARCHIVE_EOF)
        return archive_failed(layer, err);
    if (end < length && ftruncate(fd, length) < 0)
        return error_sys(err, errno, "set the size");
    return 0;
}

static int file_apply(struct layer *layer, struct archive_entry *from, const struct entry *entry,
                      struct error *err)
{
    CLEANUP(node_file_close) struct node_file file = { .fd = -1 };
    uint64_t size = 0;

    if (node_file_make(layer->tree, entry, &file, err) < 0)
        return -1;
    if (archive_entry_size(from) != 0 &&
        data_write(layer, file.fd, archive_entry_size(from), &size, err) < 0)
        return -1;
    return node_file_finish(layer->tree, entry, &file, size, err);
}

/* ---- entries ----------------------------------------------------------------------- */

static int entry_apply(struct layer *layer, struct archive_entry *from, const struct entry *entry,
                       struct error *err)
{
    enum whiteout kind = WHITEOUT_NONE;

    if (!layer->tree->merging && whiteout_kind(entry->path, &kind, err) < 0)
        return -1;
    if (kind != WHITEOUT_NONE)
        return whiteout_apply(layer->tree, entry->path, kind, err);
    if (*entry->path == '\0' && entry->type != S_IFDIR)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the root is not a folder");
    switch (entry->type) {
    case 0:
        return node_link(layer->tree, entry, err);
    case S_IFREG:
        return file_apply(layer, from, entry, err);
    case S_IFDIR:
        return node_folder(layer->tree, entry, err);
    case S_IFLNK:
        return node_symlink(layer->tree, entry, err);
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
        return node_special(layer->tree, entry, err);
    default:
        return 0; /* a socket: nothing that could be in an image */
    }
}

/*
 * The reader would convert names from UTF-8 to the locale's characters, and normalize them on the
 * way.  In the C locale, which this program never leaves, it fails with the first character that
 * is not ASCII: then the name comes as it is, with a warning (EILSEQ).  Any other warning means
 * that something of the entry was not understood.
 */
static bool is_read(struct layer *layer, int result)
{
    return result == ARCHIVE_OK ||
           (result == ARCHIVE_WARN && archive_errno(layer->archive) == EILSEQ);
}

/* Folders that no entry names get the time of the entry they are made for. */
static void time_settle(struct tree *tree, const struct entry *entry, bool is_first)
{
    tree->entry_time = entry->mtime;
    if (!is_first || tree->merging)
        return;
    tree->top.mtime = entry->mtime;
    tree->top.touched = true;
}

static int layer_entry(struct layer *layer, struct archive_entry *from, struct error *err)
{
    struct entry entry;

    if (layer->max_entries != 0 && layer->entries >= layer->max_entries)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "layer: more than %llu entries",
                         (unsigned long long)layer->max_entries);
    layer->entries++;
    if (entry_read(layer, from, &entry, err) == 0) {
        time_settle(layer->tree, &entry, layer->entries == 1);
        layer->tree->doubt = false;
        if (entry_apply(layer, from, &entry, err) == 0)
            return 0;
        if (layer->tree->doubt && !layer->tree->base && layer->tree->lower < 0)
            return deferred_doubt(layer->tree->deferred, entry.path, err);
    }
    if (layer->stream_error.code != ERROR_NONE)
        return -1; /* it is not this entry's fault */
    return error_wrap(err, "layer: entry %.100s", layer->path);
}

static int entries_apply(struct layer *layer, struct error *err)
{
    struct archive_entry *from;
    int result;

    while (is_read(layer, result = archive_read_next_header(layer->archive, &from)))
        if (layer_entry(layer, from, err) < 0)
            return -1;
    return result == ARCHIVE_EOF ? 0 : archive_failed(layer, err);
}

static struct archive *prepared; /* before the filter: it loads what it needs of the system */

int layer_prepare(struct error *err)
{
    prepared = archive_read_new();
    if (prepared == NULL || archive_read_support_format_tar(prepared) != ARCHIVE_OK ||
        archive_read_support_format_empty(prepared) != ARCHIVE_OK)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for the tar reader");
    return 0;
}

int layer_apply(struct stream *stream, struct tree *tree, uint64_t max_entries, struct error *err)
{
    struct layer layer = {
        .stream = stream, .tree = tree, .archive = prepared, .max_entries = max_entries
    };
    int status;

    if (archive_read_open(prepared, &layer, NULL, stream_read, NULL) != ARCHIVE_OK)
        return archive_failed(&layer, err);
    status = entries_apply(&layer, err);
    free(layer.xattrs);
    return status;
}
