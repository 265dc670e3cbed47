/* See pack.h: writing. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/terminal.h"
#include "tools/gantry/archive/pack.h"

#define STDOUT    1
#define BLOCK     (256 * 1024)
#define NAME_ROOM 32 /* of what is not complete yet */

struct pack {
    struct archive *tar; /* NULL: a folder */
    int file;            /* of the tar, or the one that was begun; -1 */
    int stream; /* a pipe, a device, standard output: written as fast as it goes; -1: none */
    const struct patience *patience;
    struct error failure; /* of writing, which libarchive only passes on */
    bool finished, is_ours;
    char path[PATH_SIZE];                /* of the folder, or of the tar when it is complete */
    char partial[PATH_SIZE + NAME_ROOM]; /* the tar until then, "": standard output */
    char begun[PATH_SIZE];               /* in the folder */
};

static int tar_fail(const struct pack *pack, const char *what, struct error *err)
{
    if (pack->failure.code != ERROR_NONE)
        return *err = pack->failure, -1;
    return error_set(err, ERROR_INTERNAL, "%s %s: %s", what,
                     pack->path[0] != '\0' ? pack->path : "standard output",
                     archive_error_string(pack->tar));
}

static int stream_write(struct pack *pack, const char *bytes, size_t size, struct error *err)
{
    while (size > 0) {
        int64_t taken = output_write(pack->stream, bytes, size, err);

        if (taken < 0 ||
            (taken == 0 && pack->patience->wait(pack->patience->ctx, pack->stream, true, err) < 0))
            return -1;
        bytes += taken;
        size -= (size_t)taken;
    }
    return 0;
}

static la_ssize_t tar_write(struct archive *tar, void *ctx, const void *bytes, size_t size)
{
    struct pack *pack = ctx;
    int result = pack->stream >= 0 ? stream_write(pack, bytes, size, &pack->failure)
                                   : file_write(pack->file, bytes, size, &pack->failure);

    if (result == 0)
        return (la_ssize_t)size;
    archive_set_error(tar, -1, "%s", pack->failure.text);
    return -1;
}

static int tar_open(struct pack *pack, struct error *err)
{
    if (pack->partial[0] != '\0' && file_open_append(pack->partial, 0, &pack->file, err) < 0)
        return -1;
    pack->is_ours = pack->partial[0] != '\0';
    if (!pack->is_ours) {
        pack->stream = output_open(pack->file >= 0 ? pack->file : OUTPUT_FD, err);
        if (pack->stream < 0)
            return -1;
    }
    if (pack->is_ours && file_mode(pack->file, 0644, err) < 0)
        return -1;
    pack->tar = archive_write_new();
    if (pack->tar == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    /* ustar, and more only where a name does not fit into it */
    if (archive_write_set_format_pax_restricted(pack->tar) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(pack->tar, BLOCK) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(pack->tar, 512) != ARCHIVE_OK ||
        archive_write_open(pack->tar, pack, NULL, tar_write, NULL) != ARCHIVE_OK)
        return tar_fail(pack, "write", err);
    return 0;
}

static bool is_folder(const char *path)
{
    struct fs_info info;
    struct error ignored;

    return path[strlen(path) - 1] == '/' || (fs_stat(path, &info, &ignored) == 0 && info.is_folder);
}

/* /dev/stdout, a pipe: it is written to, and stays what it is. */
static bool is_stream(const char *path)
{
    struct fs_info info;
    struct error ignored;

    return fs_stat(path, &info, &ignored) == 0 && !info.is_file && !info.is_folder;
}

static int pack_start(struct pack *pack, const char *path, struct error *err)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        if (terminal_is(OUTPUT_FD))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "an archive is nothing for a terminal: name a file with --output, or "
                             "redirect standard output");
        return tar_open(pack, err);
    }
    if (*path == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "--output is empty");
    if (path_format(pack->path, err, "%s", path) < 0)
        return -1;
    if (is_folder(path))
        return fs_folder_make_all(path, 0755, err);
    if (is_stream(path))
        return file_open_stream(path, &pack->file, err) < 0 ? -1 : tar_open(pack, err);
    snprintf(pack->partial, sizeof(pack->partial), "%s.partial-%d", path, process_id());
    return tar_open(pack, err);
}

int pack_open(const char *path, const struct patience *patience, struct pack **pack,
              struct error *err)
{
    *pack = calloc(1, sizeof(**pack));
    if (*pack == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    (*pack)->file = (*pack)->stream = -1;
    (*pack)->patience = patience;
    return pack_start(*pack, path, err);
}

/* ---- files -------------------------------------------------------------------------------- */

static int folder_begin(struct pack *pack, const char *name, struct error *err)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(name, '/');

    if (path_format(pack->begun, err, "%s/%s", pack->path, name) < 0)
        return -1;
    if (slash != NULL &&
        (path_format(folder, err, "%s/%.*s", pack->path, (int)(slash - name), name) < 0 ||
         fs_folder_make_all(folder, 0755, err) < 0))
        return -1;
    if (fs_exists(pack->begun) && fs_remove(pack->begun, err) < 0)
        return -1;
    return file_open_append(pack->begun, 0, &pack->file, err) < 0
               ? -1
               : file_mode(pack->file, 0644, err);
}

int pack_begin(struct pack *pack, const char *name, uint64_t size, struct error *err)
{
    struct archive_entry *entry;
    int result;

    if (pack->tar == NULL)
        return folder_begin(pack, name, err);
    entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 0, 0); /* the same image is the same bytes */
    result = archive_write_header(pack->tar, entry);
    archive_entry_free(entry);
    return result == ARCHIVE_OK ? 0 : tar_fail(pack, "write", err);
}

int pack_bytes(struct pack *pack, const void *bytes, size_t size, struct error *err)
{
    if (pack->tar == NULL)
        return file_write(pack->file, bytes, size, err);
    return archive_write_data(pack->tar, bytes, size) == (la_ssize_t)size
               ? 0
               : tar_fail(pack, "write", err);
}

int pack_end(struct pack *pack, struct error *err)
{
    if (pack->tar != NULL)
        return archive_write_finish_entry(pack->tar) == ARCHIVE_OK ? 0
                                                                   : tar_fail(pack, "write", err);
    file_close(&pack->file);
    pack->begun[0] = '\0';
    return 0;
}

int pack_file(struct pack *pack, const char *name, const void *bytes, size_t size,
              struct error *err)
{
    if (pack_begin(pack, name, size, err) < 0 || pack_bytes(pack, bytes, size, err) < 0)
        return -1;
    return pack_end(pack, err);
}

/* ---- the end ------------------------------------------------------------------------------- */

int pack_finish(struct pack *pack, struct error *err)
{
    if (pack->tar != NULL && archive_write_close(pack->tar) != ARCHIVE_OK)
        return tar_fail(pack, "write", err);
    file_close(&pack->file);
    if (pack->partial[0] != '\0' && fs_rename(pack->partial, pack->path, err) < 0)
        return -1;
    pack->finished = true;
    return 0;
}

void pack_drop(struct pack **pack)
{
    struct error ignored;

    if (*pack == NULL)
        return;
    if ((*pack)->tar != NULL) {
        archive_write_fail((*pack)->tar); /* else it would complete what is half there */
        archive_write_free((*pack)->tar);
    }
    file_close(&(*pack)->file);
    file_close(&(*pack)->stream);
    if (!(*pack)->finished && (*pack)->is_ours)
        fs_remove((*pack)->partial, &ignored);
    if (!(*pack)->finished && (*pack)->begun[0] != '\0')
        fs_remove((*pack)->begun, &ignored);
    free(*pack);
    *pack = NULL;
}
