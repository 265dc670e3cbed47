/* layer_builder — libarchive writes the tar, zlib or zstd pack it, then the defect is applied. */
#include "tests/helpers/layer_builder.h"

#include <archive.h>
#include <archive_entry.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#define EPOCH 1700000000

static void must(int well, const char *what)
{
    if (well)
        return;
    fprintf(stderr, "layer_builder: %s\n", what);
    abort();
}

void blob_digest(const void *data, size_t size, char out[72])
{
    unsigned char hash[32];
    int used = snprintf(out, 72, "sha256:");

    must(EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL) == 1, "no digest");
    for (size_t i = 0; i < sizeof(hash); i++)
        used += snprintf(out + used, 3, "%02x", hash[i]);
}

void blob_drop(struct built_blob *blob)
{
    free(blob->data);
    *blob = (struct built_blob){ 0 };
}

/* A power of two above it. */
static size_t room_of(size_t size)
{
    size_t room = 64;

    while (room <= size)
        room *= 2;
    return room;
}

static void blob_add(struct built_blob *blob, const void *data, size_t size)
{
    if (blob->data == NULL || room_of(blob->size + size) != room_of(blob->size))
        blob->data = realloc(blob->data, room_of(blob->size + size));
    must(blob->data != NULL, "no memory");
    memcpy(blob->data + blob->size, data, size);
    blob->size += size;
}

/* ---- tar ----------------------------------------------------------------------- */

static la_ssize_t on_write(struct archive *tar, void *ctx, const void *data, size_t size)
{
    (void)tar;
    blob_add(ctx, data, size);
    return (la_ssize_t)size;
}

static mode_t file_type(enum entry_type type)
{
    static const mode_t types[] = {
        [ENTRY_FILE] = S_IFREG,     [ENTRY_FOLDER] = S_IFDIR,  [ENTRY_SYMLINK] = S_IFLNK,
        [ENTRY_HARDLINK] = S_IFREG, [ENTRY_CHARDEV] = S_IFCHR, [ENTRY_BLOCKDEV] = S_IFBLK,
        [ENTRY_FIFO] = S_IFIFO,
    };

    return types[type];
}

static void describe(struct archive_entry *entry, const struct layer_entry *from, size_t size)
{
    unsigned usual = from->type == ENTRY_FOLDER ? 0755 : 0644;

    archive_entry_set_pathname(entry, from->path);
    archive_entry_set_filetype(entry, file_type(from->type));
    archive_entry_set_perm(entry, from->mode != 0 ? from->mode : usual);
    archive_entry_set_uid(entry, from->uid);
    archive_entry_set_gid(entry, from->gid);
    archive_entry_set_mtime(entry, from->mtime != 0 ? from->mtime : EPOCH, 0);
    archive_entry_set_size(entry, from->type == ENTRY_FILE ? (la_int64_t)size : 0);
    archive_entry_set_rdevmajor(entry, from->major);
    archive_entry_set_rdevminor(entry, from->minor);
    if (from->type == ENTRY_SYMLINK)
        archive_entry_set_symlink(entry, from->text);
    if (from->type == ENTRY_HARDLINK)
        archive_entry_set_hardlink(entry, from->text);
    if (from->xattr != NULL)
        archive_entry_xattr_add_entry(entry, from->xattr, from->xattr_value,
                                      strlen(from->xattr_value));
}

static void write_entry(struct archive *tar, const struct layer_entry *from)
{
    struct archive_entry *entry = archive_entry_new();
    size_t size = from->size != 0 || from->text == NULL ? from->size : strlen(from->text);

    describe(entry, from, size);
    must(archive_write_header(tar, entry) == ARCHIVE_OK, archive_error_string(tar));
    if (from->type == ENTRY_FILE && size > 0)
        must(archive_write_data(tar, from->text, size) == (la_ssize_t)size, "no room");
    archive_entry_free(entry);
}

static void make_tar(const struct layer_plan *plan, struct built_blob *out)
{
    struct archive *tar = archive_write_new();

    archive_write_set_format_pax_restricted(tar);
    archive_write_set_options(tar, "xattrheader=SCHILY"); /* as every builder of images does */
    archive_write_set_bytes_in_last_block(tar, 1);
    must(archive_write_open(tar, out, NULL, on_write, NULL) == ARCHIVE_OK, "no tar");
    for (size_t i = 0; i < plan->entry_count; i++)
        write_entry(tar, &plan->entries[i]);
    must(archive_write_close(tar) == ARCHIVE_OK, "no end of the tar");
    archive_write_free(tar);
}

/* ---- packing --------------------------------------------------------------------- */

static void pack_gzip(const struct built_blob *tar, struct built_blob *out)
{
    z_stream stream = { 0 };
    size_t room = compressBound((uLong)tar->size) + 64;

    out->data = malloc(room);
    must(out->data != NULL &&
             deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK,
         "no gzip");
    stream.next_in = (Bytef *)tar->data;
    stream.avail_in = (uInt)tar->size;
    stream.next_out = (Bytef *)out->data;
    stream.avail_out = (uInt)room;
    must(deflate(&stream, Z_FINISH) == Z_STREAM_END, "gzip does not end");
    out->size = stream.total_out;
    deflateEnd(&stream);
}

static void pack_zstd(const struct built_blob *tar, struct built_blob *out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(tar->size);

    out->data = malloc(room);
    must(context != NULL && out->data != NULL, "no zstd");
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    out->size = ZSTD_compress2(context, out->data, room, tar->data, tar->size);
    must(!ZSTD_isError(out->size), "zstd fails");
    ZSTD_freeCCtx(context);
}

static void pack(const struct built_blob *tar, enum layer_packing packing, struct built_blob *out)
{
    if (packing == LAYER_GZIP)
        pack_gzip(tar, out);
    else if (packing == LAYER_ZSTD)
        pack_zstd(tar, out);
    else
        blob_add(out, tar->data, tar->size);
}

static void damage_tar(struct built_blob *tar, enum layer_defect defect)
{
    if (defect == LAYER_CUT_TAR)
        tar->size = tar->size > 600 ? 600 : tar->size / 2;
    if (defect == LAYER_NO_TAR)
        memset(tar->data, 'x', tar->size);
}

static void damage_packed(struct built_blob *packed, enum layer_defect defect)
{
    if (defect == LAYER_CUT_SHORT)
        packed->size -= packed->size > 20 ? 20 : packed->size / 2;
    if (defect == LAYER_TRAILING_GARBAGE) {
        packed->data = realloc(packed->data, room_of(packed->size)); /* it has a packer's room */
        blob_add(packed, "this is not part of the layer", 29);
    }
    if (defect == LAYER_BAD_CHECKSUM) /* gzip: 4 bytes of length come behind it */
        packed->data[packed->size - ((unsigned char)packed->data[0] == 0x1f ? 5 : 1)] ^= 1;
}

void layer_build(const struct layer_plan *plan, struct built_layer *layer)
{
    *layer = (struct built_layer){ 0 };
    make_tar(plan, &layer->tar);
    damage_tar(&layer->tar, plan->defect);
    pack(&layer->tar, plan->packing, &layer->packed);
    damage_packed(&layer->packed, plan->defect);
    blob_digest(layer->tar.data, layer->tar.size, layer->tar.digest);
    blob_digest(layer->packed.data, layer->packed.size, layer->packed.digest);
}

void layer_drop(struct built_layer *layer)
{
    blob_drop(&layer->packed);
    blob_drop(&layer->tar);
}
