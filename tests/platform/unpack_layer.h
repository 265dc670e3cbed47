/*
 * unpack_layer — for the tests of gantry-unpack: layers written by hand, byte by byte, so that
 * they can be as wrong as they like; and a folder to unpack them in.
 */
#ifndef TESTS_UNPACK_LAYER_H
#define TESTS_UNPACK_LAYER_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "platform/linux/layer_marks.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/unpack.h"

/* ---- bytes ------------------------------------------------------------------------ */

struct bytes {
    uint8_t *at;
    size_t size, room;
};

static UNUSED void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){ 0 };
}

static UNUSED void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (bytes->size + size > bytes->room) {
        bytes->room = (bytes->size + size) * 2;
        bytes->at = realloc(bytes->at, bytes->room);
        assert_non_null(bytes->at);
    }
    if (size > 0)
        memcpy(bytes->at + bytes->size, data, size);
    bytes->size += size;
}

static UNUSED void bytes_zero(struct bytes *bytes, size_t size)
{
    static const uint8_t zero[512];

    for (; size > 0; size -= size < 512 ? size : 512)
        bytes_add(bytes, zero, size < 512 ? size : 512);
}

static UNUSED void bytes_little(struct bytes *bytes, uint64_t value, size_t size)
{
    for (; size > 0; size--, value >>= 8)
        bytes_add(bytes, &(uint8_t){ (uint8_t)value }, 1);
}

static UNUSED uint32_t crc32_of(const uint8_t *at, size_t size)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* One gzip member of stored blocks. */
static UNUSED void gzip_add(struct bytes *out, const uint8_t *at, size_t size)
{
    size_t left = size;

    bytes_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    do {
        size_t part = left < 65535 ? left : 65535;

        bytes_little(out, left == part, 1);
        bytes_little(out, part, 2);
        bytes_little(out, ~part, 2);
        bytes_add(out, at + (size - left), part);
        left -= part;
    } while (left > 0);
    bytes_little(out, crc32_of(at, size), 4);
    bytes_little(out, size, 4);
}

/* One zstd frame of raw blocks, without a check sum. */
static UNUSED void zstd_add(struct bytes *out, const uint8_t *at, size_t size)
{
    size_t left = size;

    bytes_little(out, 0xfd2fb528, 4);
    bytes_little(out, 0xa0, 1); /* single segment, size in four bytes */
    bytes_little(out, size, 4);
    do {
        size_t part = left < 65536 ? left : 65536;

        bytes_little(out, part << 3 | (left == part), 3);
        bytes_add(out, at + (size - left), part);
        left -= part;
    } while (left > 0);
}

/* ---- tar ------------------------------------------------------------------------------ */

struct item {
    char type; /* as in the header; 0 is '0' */
    const char *name;
    unsigned mode; /* 0: 0644, or 0755 for a folder */
    unsigned uid, gid;
    int64_t mtime; /* 0: 1000000000 */
    const char *link;
    const void *data;
    size_t size;
    unsigned major, minor;
};

static UNUSED void header_sum(uint8_t *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

static UNUSED void tar_add(struct bytes *tar, struct item item)
{
    uint8_t header[512] = { 0 };
    char *text = (char *)header;

    if (item.mode == 0)
        item.mode = item.type == '5' ? 0755 : 0644;
    if (item.mtime == 0)
        item.mtime = 1000000000;
    if (item.size == 0 && item.data != NULL)
        item.size = strlen(item.data);
    memcpy(text, item.name, strnlen(item.name, 100));
    snprintf(text + 100, 8, "%07o", item.mode);
    snprintf(text + 108, 8, "%07o", item.uid);
    snprintf(text + 116, 8, "%07o", item.gid);
    snprintf(text + 124, 12, "%011zo", item.size);
    snprintf(text + 136, 12, "%011" PRIo64, (uint64_t)item.mtime);
    text[156] = item.type ? item.type : '0';
    if (item.link != NULL)
        memcpy(text + 157, item.link, strnlen(item.link, 100));
    memcpy(text + 257, "ustar\00000", 8);
    snprintf(text + 329, 8, "%07o", item.major);
    snprintf(text + 337, 8, "%07o", item.minor);
    header_sum(header);
    bytes_add(tar, header, 512);
    bytes_add(tar, item.data, item.data ? item.size : 0);
    bytes_zero(tar, item.data ? -item.size & 511 : 0);
}

#define TAR(tar, ...) tar_add(tar, (struct item){ __VA_ARGS__ })

/* A PAX record, for pax_end(). */
static UNUSED void pax_add(struct bytes *records, const char *key, const void *value, size_t size)
{
    size_t rest = strlen(key) + size + 3, total = rest + 1;
    char text[32];

    while ((size_t)snprintf(text, sizeof(text), "%zu", total) + rest != total)
        total++;
    bytes_add(records, text, strlen(text));
    bytes_add(records, " ", 1);
    bytes_add(records, key, strlen(key));
    bytes_add(records, "=", 1);
    bytes_add(records, value, size);
    bytes_add(records, "\n", 1);
}

/* The records go before the next entry. */
static UNUSED void pax_end(struct bytes *tar, struct bytes *records)
{
    TAR(tar, .type = 'x', .name = "pax", .data = records->at, .size = records->size);
    bytes_free(records);
}

static UNUSED void pax_one(struct bytes *tar, const char *key, const char *value)
{
    struct bytes records = { 0 };

    pax_add(&records, key, value, strlen(value));
    pax_end(tar, &records);
}

static UNUSED void tar_end(struct bytes *tar)
{
    bytes_zero(tar, 1024);
}

static UNUSED void diff_id_of(const struct bytes *tar, char text[72])
{
    unsigned char digest[32];
    unsigned size;

    assert_int_equal(EVP_Digest(tar->at, tar->size, digest, &size, EVP_sha256(), NULL), 1);
    strcpy(text, "sha256:");
    for (unsigned i = 0; i < size; i++)
        sprintf(text + 7 + 2 * i, "%02x", digest[i]);
}

/* ---- a place to unpack ----------------------------------------------------------------- */

struct place {
    char root[64];
    char kept[256][96]; /* paths that keep(): others come from a ring and are overwritten */
    size_t kept_count;
    struct unpack_news news; /* of the last layer that was unpacked */
    struct error err;
};

static UNUSED int place_make_in(void **state, const char *folder)
{
    struct place *place = calloc(1, sizeof(*place));

    snprintf(place->root, sizeof(place->root), "%s/gantry-unpack-XXXXXX", folder);
    if (mkdtemp(place->root) == NULL)
        return free(place), -1;
    *state = place;
    return 0;
}

static UNUSED int place_make(void **state)
{
    return place_make_in(state, "/tmp");
}

/* Where time is measured: some file systems take the longer for a new file the more were just removed. */
static UNUSED int place_make_in_memory(void **state)
{
    return place_make_in(state, "/dev/shm") == 0 ? 0 : place_make(state);
}

static UNUSED int place_remove(void **state)
{
    struct place *place = *state;
    int status = getenv("GANTRY_TEST_KEEP") ? 0 : fs_remove_tree(place->root, &place->err);

    free(place);
    return status;
}

/* "<root>/<rest>", in one of a few buffers. */
static UNUSED const char *in(const struct place *place, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static UNUSED const char *in(const struct place *place, const char *fmt, ...)
{
    static char paths[16][8192];
    static unsigned next;
    char *path = paths[next++ % 16];
    int length = snprintf(path, 8192, "%s/", place->root);
    va_list args;

    va_start(args, fmt);
    vsnprintf(path + length, 8192 - (size_t)length, fmt, args);
    va_end(args);
    return path;
}

static UNUSED const char *keep(struct place *place, const char *path)
{
    char *kept = place->kept[place->kept_count++];

    assert_true(place->kept_count <= COUNT_OF(place->kept));
    assert_true(snprintf(kept, sizeof(place->kept[0]), "%s", path) < (int)sizeof(place->kept[0]));
    return kept;
}

static UNUSED void put_file(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

struct how {
    const char *compression; /* NULL: none */
    bool base;
    const char *const *lowers;
    size_t lower_count;
    const struct list *mounts, *lower_mounts;
    uint64_t max_bytes, max_entries;
};

/* Unpacks a blob into <root>/<name>. */
static UNUSED int unpack_blob(struct place *place, const char *name, const struct bytes *blob,
                              struct how how)
{
    struct unpack_options options = {
        .blob = in(place, "%s.blob", name),
        .folder = in(place, "%s", name),
        .compression = how.compression ? how.compression : "none",
        .base = how.base,
        .lowers = how.lowers,
        .lower_count = how.lower_count,
        .mounts = how.mounts,
        .lower_mounts = how.lower_mounts,
        .max_bytes = how.max_bytes,
        .max_entries = how.max_entries,
    };

    put_file(options.blob, blob->at, blob->size);
    mkdir(options.folder, 0700);
    place->err = (struct error){ 0 };
    return unpack_whole(&options, blob->size, &place->news, &place->err);
}

#define UNPACK(place, name, blob, ...) unpack_blob(place, name, blob, (struct how){ __VA_ARGS__ })

/* As a layer on others (whose attributes are not known yet): `base` is not set. */
static UNUSED void expect_layer(struct place *place, const char *name, struct bytes *tar)
{
    tar_end(tar);
    if (UNPACK(place, name, tar) < 0)
        fail_msg("%s: %s", name, place->err.text);
    bytes_free(tar);
}

static UNUSED void expect_refused(struct place *place, struct bytes *tar, enum error_code code,
                                  const char *why)
{
    tar_end(tar);
    if (UNPACK(place, "refused", tar) == 0)
        fail_msg("the layer was not refused");
    if (strstr(place->err.text, why) == NULL || place->err.code != code)
        fail_msg("refused for another reason: %s: %s", error_code_name(place->err.code),
                 place->err.text);
    bytes_free(tar);
}

/* ---- looking --------------------------------------------------------------------------- */

static UNUSED struct stat stat_of(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return st;
}

static UNUSED bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static UNUSED void expect_text(const char *path, const char *text)
{
    char found[4096];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, found, sizeof(found) - 1);

    if (size < 0)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
    found[size] = '\0';
    assert_string_equal(found, text);
}

static UNUSED void expect_link(const char *path, const char *target)
{
    char found[8192] = { 0 };

    if (readlink(path, found, sizeof(found) - 1) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_string_equal(found, target);
}

static UNUSED bool is_whiteout_at(const char *path)
{
    struct stat st = stat_of(path);

    return S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static UNUSED bool is_opaque_at(const char *path)
{
    char value[2];

    return lgetxattr(path, layer_marks()->opaque, value, 2) == 1 && value[0] == 'y';
}

/* What every overlay's options begin with here. */
static UNUSED const char *lowers_word(void)
{
    return layer_marks()->option != NULL ? "userxattr,lowerdir=" : "lowerdir=";
}

static UNUSED int64_t mtime_ns(const char *path)
{
    struct stat st = stat_of(path);

    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* ---- main ------------------------------------------------------------------------------- */

/* In a mount namespace of its own, so that no mount outlives the test. */
static UNUSED int prepare(void)
{
    if (geteuid() != 0) {
        printf("skipped: needs root (mount namespaces, owners, trusted attributes)\n");
        return 77;
    }
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        printf("skipped: this environment permits no mount namespaces: %s\n", strerror(errno));
        return 77;
    }
    setenv("PATH", TEST_BIN ":/usr/sbin:/usr/bin:/sbin:/bin", 1);
    umask(022);
    return 0;
}

static UNUSED void simple_tar(struct bytes *tar)
{
    TAR(tar, .type = '5', .name = "d");
    TAR(tar, .name = "d/f", .data = "some text, and more of it, and more of it");
    tar_end(tar);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_make, place_remove)
#define TIMED_TEST(function) \
    cmocka_unit_test_setup_teardown(function, place_make_in_memory, place_remove)

#endif
