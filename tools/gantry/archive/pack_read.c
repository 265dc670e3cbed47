/* See pack.h: reading. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/terminal.h"
#include "tools/gantry/archive/pack.h"

#define BLOCK (256 * 1024)

struct source {
    struct archive *tar; /* NULL: `file` is the file itself */
    int file;            /* -1: standard input */
    const struct patience *patience;
    struct error failure; /* of reading, which libarchive only passes on */
    char *block;
};

static void source_close(struct source *source)
{
    if (source->tar != NULL)
        archive_read_free(source->tar);
    file_close(&source->file);
    free(source->block);
}

static int tar_fail(const struct source *source, struct error *err)
{
    const char *why = archive_error_string(source->tar);

    if (source->failure.code != ERROR_NONE)
        return *err = source->failure, -1;
    error_set(err, ERROR_DATA_LOSS, "no archive that can be read: %s", why ? why : "it is empty");
    return error_hint(err, "what is read are tar files of `save` (also docker's, podman's and "
                           "skopeo's), packed with gzip, zstd or not at all");
}

int64_t packed_read(const struct packed *file, void *bytes, size_t room, struct error *err)
{
    const struct source *source = file->source;
    la_ssize_t got;

    if (source->tar == NULL)
        return file_read(source->file, bytes, room, err);
    got = archive_read_data(source->tar, bytes, room);
    return got >= 0 ? got : tar_fail(source, err);
}

/* ---- a tar ---------------------------------------------------------------------------------- */

static la_ssize_t tar_read(struct archive *tar, void *ctx, const void **bytes)
{
    struct source *source = ctx;
    int file = source->file >= 0 ? source->file : INPUT_FD;
    int64_t got = -1;

    if (source->patience->wait(source->patience->ctx, file, false, &source->failure) == 0)
        got = file_read(file, source->block, BLOCK, &source->failure);
    if (got < 0)
        archive_set_error(tar, -1, "%s", source->failure.text);
    *bytes = source->block;
    return got;
}

static int tar_open(struct source *source, const char *path, bool is_raw, struct error *err)
{
    bool is_stdin = path == NULL || strcmp(path, "-") == 0;

    if (is_stdin && terminal_is(INPUT_FD))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "standard input is a terminal: name a file, or redirect it");
    if (!is_stdin && file_open_read(path, &source->file, err) < 0)
        return -1;
    source->tar = archive_read_new();
    source->block = malloc(BLOCK);
    if (source->tar == NULL || source->block == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    archive_read_support_filter_gzip(source->tar);
    archive_read_support_filter_zstd(source->tar);
    if (is_raw)
        archive_read_support_format_raw(source->tar);
    else
        archive_read_support_format_tar(source->tar);
    return archive_read_open(source->tar, source, NULL, tar_read, NULL) == ARCHIVE_OK
               ? 0
               : tar_fail(source, err);
}

static bool leads_upwards(const char *name)
{
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return true;
    }
    return false;
}

static const char *name_of(const char *path)
{
    while (strncmp(path, "./", 2) == 0 || *path == '/')
        path += *path == '/' ? 1 : 2;
    return path;
}

static int tar_entry(const struct source *source, struct archive_entry *entry, packed_one *one,
                     void *ctx, struct error *err)
{
    const char *path = archive_entry_pathname(entry);
    struct packed file = {
        .target = archive_entry_hardlink(entry),
        .size = (uint64_t)archive_entry_size(entry),
        .source = (void *)(uintptr_t)source,
    };

    file.is_hard = file.target != NULL;
    if (file.target == NULL && archive_entry_filetype(entry) == AE_IFLNK)
        file.target = archive_entry_symlink(entry);
    if (path == NULL || (file.target == NULL && archive_entry_filetype(entry) != AE_IFREG))
        return 0;
    file.name = name_of(path);
    if (leads_upwards(file.name))
        return error_set(err, ERROR_DATA_LOSS, "the name %.200s leads out of the archive", path);
    if (archive_entry_sparse_count(entry) > 0) /* a few bytes of tar would be an endless file */
        return error_set(err, ERROR_DATA_LOSS, "%.200s is stored as a sparse file", path);
    return one(ctx, &file, err);
}

static int tar_each(const struct source *source, packed_one *one, void *ctx, struct error *err)
{
    struct archive_entry *entry;
    int result;

    while ((result = archive_read_next_header(source->tar, &entry)) == ARCHIVE_OK ||
           result == ARCHIVE_WARN)
        if (tar_entry(source, entry, one, ctx, err) < 0)
            return -1;
    return result == ARCHIVE_EOF ? 0 : tar_fail(source, err);
}

/* ---- a folder -------------------------------------------------------------------------------- */

struct walk {
    const char *root;
    const char *below; /* "blobs/sha256/" */
    packed_one *one;
    void *ctx;
};

static int walk_file(void *ctx, const char *name, struct error *err)
{
    const struct walk *walk = ctx;
    CLEANUP(source_close) struct source source = { .file = -1 };
    char path[PATH_SIZE], whole[PATH_SIZE];
    struct packed file = { .name = name, .source = &source };
    struct fs_info info;

    if (path_format(path, err, "%s%s", walk->below, name) < 0 ||
        path_format(whole, err, "%s/%s", walk->root, path) < 0 || fs_stat(whole, &info, err) < 0)
        return -1;
    if (info.is_folder)
        return 0;
    file.name = path;
    file.size = info.size;
    return file_open_read(whole, &source.file, err) < 0 ? -1 : walk->one(walk->ctx, &file, err);
}

/* An OCI layout: what it must have, and what is beside it by docker's habit. */
static int folder_each(const char *root, packed_one *one, void *ctx, struct error *err)
{
    static const char *const folders[] = { "blobs/sha256/", "blobs/sha512/" };
    static const char *const files[] = { "oci-layout", "index.json", "manifest.json" };
    char path[PATH_SIZE];

    for (size_t i = 0; i < 2; i++) {
        struct walk walk = { root, folders[i], one, ctx };

        if (path_format(path, err, "%s/%s", root, folders[i]) < 0 ||
            (fs_exists(path) && fs_folder_each(path, walk_file, &walk, err) < 0))
            return -1;
    }
    for (size_t i = 0; i < 3; i++) {
        struct walk walk = { root, "", one, ctx };

        if (path_format(path, err, "%s/%s", root, files[i]) < 0 ||
            (fs_exists(path) && walk_file(&walk, files[i], err) < 0))
            return -1;
    }
    return 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

int packed_each(const char *path, const struct patience *patience, packed_one *one, void *ctx,
                struct error *err)
{
    CLEANUP(source_close) struct source source = { .file = -1, .patience = patience };
    struct fs_info info;

    if (path != NULL && strcmp(path, "-") != 0) {
        if (fs_stat(path, &info, err) < 0)
            return -1;
        if (info.is_folder)
            return folder_each(path, one, ctx, err);
    }
    return tar_open(&source, path, false, err) < 0 ? -1 : tar_each(&source, one, ctx, err);
}

int plain_each(const char *path, const struct patience *patience, packed_one *one, void *ctx,
               struct error *err)
{
    CLEANUP(source_close) struct source source = { .file = -1, .patience = patience };
    struct packed file = { .name = "data", .size = PACKED_SIZE_UNKNOWN, .source = &source };
    struct archive_entry *entry;

    if (tar_open(&source, path, true, err) < 0)
        return -1;
    if (archive_read_next_header(source.tar, &entry) != ARCHIVE_OK)
        return tar_fail(&source, err);
    return one(ctx, &file, err);
}
