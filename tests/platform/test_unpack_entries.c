/*
 * test_unpack_entries — what gantry-unpack makes of single entries: types, attributes, names and sizes (LAY-1, 2, 3, 12).
 */
#include "tests/platform/unpack_layer.h"

/* ---- LAY-1: types ------------------------------------------------------------------- */

static void lay_1_every_type_of_entry_is_made(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "d/");
    TAR(&tar, .name = "d/f", .data = "hello");
    TAR(&tar, .type = '2', .name = "d/s", .link = "f");
    TAR(&tar, .type = '1', .name = "d/h", .link = "d/f");
    TAR(&tar, .type = '3', .name = "d/c", .major = 1, .minor = 3);
    TAR(&tar, .type = '4', .name = "d/b", .major = 7, .minor = 200);
    TAR(&tar, .type = '6', .name = "d/p");
    expect_layer(place, "x", &tar);

    assert_true(S_ISDIR(stat_of(in(place, "x/fs/d")).st_mode));
    expect_text(in(place, "x/fs/d/f"), "hello");
    expect_link(in(place, "x/fs/d/s"), "f");
    assert_int_equal(stat_of(in(place, "x/fs/d/h")).st_ino, stat_of(in(place, "x/fs/d/f")).st_ino);
    assert_true(S_ISCHR(stat_of(in(place, "x/fs/d/c")).st_mode));
    assert_int_equal(stat_of(in(place, "x/fs/d/c")).st_rdev, makedev(1, 3));
    assert_true(S_ISBLK(stat_of(in(place, "x/fs/d/b")).st_mode));
    assert_int_equal(stat_of(in(place, "x/fs/d/b")).st_rdev, makedev(7, 200));
    assert_true(S_ISFIFO(stat_of(in(place, "x/fs/d/p")).st_mode));
}

static void lay_1_global_pax_headers_are_skipped(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = 'g', .name = "pax_global_header", .data = "17 path=/nowhere\n");
    TAR(&tar, .name = "f", .data = "x");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/f"), "x");
    assert_false(is_there(in(place, "x/fs/nowhere")));
    assert_false(is_there(in(place, "x/fs/pax_global_header")));
}

static void lay_1_an_empty_layer_is_a_layer(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char diff_id[72];

    assert_int_equal(UNPACK(place, "none", &tar, .base = true), 0);
    tar_end(&tar);
    diff_id_of(&tar, diff_id);
    assert_int_equal(UNPACK(place, "zeros", &tar, .base = true), 0);
    assert_string_equal(place->news.diff_id, diff_id);
    bytes_free(&tar);
}

/* ---- LAY-2: attributes ----------------------------------------------------------------- */

static void lay_2_setuid_survives_the_change_of_owner(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "su", .mode = 06755, .uid = 12, .gid = 34, .data = "program");
    TAR(&tar, .name = "root", .mode = 04711, .data = "program");
    TAR(&tar, .type = '5', .name = "tmp", .mode = 01777);
    TAR(&tar, .name = "none", .mode = 0, .data = "x");
    TAR(&tar, .type = '6', .name = "pipe", .mode = 01622, .uid = 5);
    expect_layer(place, "x", &tar);

    assert_int_equal(stat_of(in(place, "x/fs/su")).st_mode, S_IFREG | 06755);
    assert_int_equal(stat_of(in(place, "x/fs/su")).st_uid, 12);
    assert_int_equal(stat_of(in(place, "x/fs/su")).st_gid, 34);
    assert_int_equal(stat_of(in(place, "x/fs/root")).st_mode, S_IFREG | 04711);
    assert_int_equal(stat_of(in(place, "x/fs/tmp")).st_mode, S_IFDIR | 01777);
    assert_int_equal(stat_of(in(place, "x/fs/pipe")).st_mode, S_IFIFO | 01622);
    assert_int_equal(stat_of(in(place, "x/fs/pipe")).st_uid, 5);
}

static void lay_2_files_in_a_setgid_folder_keep_their_own_group(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "g", .mode = 02775, .gid = 50);
    TAR(&tar, .name = "g/f", .data = "x");
    TAR(&tar, .type = '5', .name = "g/d");
    TAR(&tar, .name = "g/implied/f", .data = "x");
    TAR(&tar, .type = '2', .name = "g/s", .link = "f");
    expect_layer(place, "x", &tar);

    assert_int_equal(stat_of(in(place, "x/fs/g")).st_mode, S_IFDIR | 02775);
    assert_int_equal(stat_of(in(place, "x/fs/g/f")).st_gid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/g/d")).st_gid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/g/d")).st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(in(place, "x/fs/g/implied")).st_gid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/g/implied")).st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(in(place, "x/fs/g/s")).st_gid, 0);
}

static void lay_2_owners_are_numbers_and_large_ones_work(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };

    pax_add(&records, "uid", "4294967294", 10);
    pax_add(&records, "gid", "2147483648", 10);
    pax_add(&records, "uname", "root", 4);
    pax_end(&tar, &records);
    TAR(&tar, .name = "f", .uid = 1, .data = "x");
    expect_layer(place, "x", &tar);
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_uid, 4294967294u);
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_gid, 2147483648u);

    pax_one(&tar, "uid", "4294967295");
    TAR(&tar, .name = "f", .data = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "owner");
}

static void lay_2_times_have_nanoseconds_and_folders_get_theirs_last(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "d", .mtime = 1111);
    pax_one(&tar, "mtime", "1234567890.123456789");
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .type = '5', .name = "d/e", .mtime = 2222);
    TAR(&tar, .type = '2', .name = "d/e/s", .link = "f", .mtime = 3333);
    for (int i = 0; i < 100; i++) { /* more folders than are kept open */
        char name[32];

        snprintf(name, sizeof(name), "many/%d", i);
        TAR(&tar, .type = '5', .name = name, .mtime = 5000 + i);
    }
    TAR(&tar, .name = "d/e/late", .data = "x");
    TAR(&tar, .name = "d/late", .data = "x");
    expect_layer(place, "x", &tar);

    assert_int_equal(mtime_ns(in(place, "x/fs/d/f")), 1234567890123456789);
    assert_int_equal(mtime_ns(in(place, "x/fs/d")), 1111ll * 1000000000);
    assert_int_equal(mtime_ns(in(place, "x/fs/d/e")), 2222ll * 1000000000);
    assert_int_equal(mtime_ns(in(place, "x/fs/d/e/s")), 3333ll * 1000000000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(mtime_ns(in(place, "x/fs/many/%d", i)), (5000ll + i) * 1000000000);
}

/* cap_net_raw=ep, as the kernel stores it (version 2, little endian) */
static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 0x20 };

static void lay_2_extended_attributes_and_capabilities_are_kept(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };
    uint8_t value[64];

    pax_add(&records, "SCHILY.xattr.security.capability", capability, sizeof(capability));
    pax_add(&records, "SCHILY.xattr.user.binary", "a\0b\nc=d", 7);
    pax_end(&tar, &records);
    TAR(&tar, .name = "ping", .mode = 0755, .uid = 3, .gid = 4, .data = "program");
    pax_one(&tar, "LIBARCHIVE.xattr.user.other", "dmFsdWU"); /* "value" */
    TAR(&tar, .type = '5', .name = "d");
    pax_one(&tar, "SCHILY.xattr.trusted.thing", "t");
    TAR(&tar, .type = '2', .name = "s", .link = "ping");
    pax_one(&tar, "SCHILY.xattr.user.impossible", "u");
    TAR(&tar, .type = '2', .name = "s2", .link = "ping");
    expect_layer(place, "x", &tar);

    assert_int_equal(lgetxattr(in(place, "x/fs/ping"), "security.capability", value, 64), 20);
    assert_memory_equal(value, capability, 20);
    assert_int_equal(lgetxattr(in(place, "x/fs/ping"), "user.binary", value, 64), 7);
    assert_memory_equal(value, "a\0b\nc=d", 7);
    assert_int_equal(lgetxattr(in(place, "x/fs/d"), "user.other", value, 64), 5);
    assert_int_equal(lgetxattr(in(place, "x/fs/s"), "trusted.thing", value, 64), 1);
    expect_link(in(place, "x/fs/s2"), "ping");
}

static void lay_2_a_default_acl_does_not_reach_what_is_unpacked_under_it(void **state)
{
    /* user::rwx,user:7:rwx,group::r-x,mask::rwx,other::r-x */
    static const uint8_t acl[] = { 2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  7,
                                   0, 7, 0,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                                   7, 0, 255, 255, 255, 255, 32, 0, 5,   0,   255, 255, 255, 255 };
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };
    char value[256];

    pax_add(&records, "SCHILY.xattr.system.posix_acl_default", acl, sizeof(acl));
    pax_end(&tar, &records);
    TAR(&tar, .type = '5', .name = "d", .mode = 0755);
    TAR(&tar, .name = "d/f", .mode = 0640, .data = "x");
    TAR(&tar, .type = '5', .name = "d/e", .mode = 0700);
    TAR(&tar, .name = "d/implied/f", .mode = 0600, .data = "x");
    expect_layer(place, "x", &tar);

    assert_int_equal(lgetxattr(in(place, "x/fs/d"), "system.posix_acl_default", value, 256),
                     sizeof(acl));
    assert_int_equal(stat_of(in(place, "x/fs/d/f")).st_mode, S_IFREG | 0640);
    assert_int_equal(lgetxattr(in(place, "x/fs/d/f"), "system.posix_acl_access", value, 256), -1);
    assert_int_equal(stat_of(in(place, "x/fs/d/e")).st_mode, S_IFDIR | 0700);
    assert_int_equal(lgetxattr(in(place, "x/fs/d/e"), "system.posix_acl_default", value, 256), -1);
    assert_int_equal(stat_of(in(place, "x/fs/d/implied")).st_mode, S_IFDIR | 0755);
}

static void lay_2_the_root_has_attributes_too(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "./", .mode = 0555, .uid = 9, .mtime = 77);
    TAR(&tar, .name = "./f", .data = "x");
    expect_layer(place, "x", &tar);
    assert_int_equal(stat_of(in(place, "x/fs")).st_mode, S_IFDIR | 0555);
    assert_int_equal(stat_of(in(place, "x/fs")).st_uid, 9);
    assert_int_equal(mtime_ns(in(place, "x/fs")), 77ll * 1000000000);
    assert_int_equal(place->news.deferred, 0);
}

/* ---- LAY-3: long names, large sizes ------------------------------------------------------- */

static void long_name(char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        name[i] = i % 50 == 49 ? '/' : (char)('a' + i % 26);
    name[size] = '\0';
}

static void lay_3_long_names_come_by_pax_and_by_gnu_headers(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };
    char name[1001], other[1001];

    long_name(name, 998);
    long_name(other, 998);
    other[0] = 'z';
    pax_add(&records, "path", name, 998);
    pax_add(&records, "linkpath", other, 998);
    pax_end(&tar, &records);
    TAR(&tar, .type = '2', .name = "short", .link = "short");
    TAR(&tar, .type = 'L', .name = "././@LongLink", .data = other, .size = 999);
    TAR(&tar, .name = "short", .data = "x");
    TAR(&tar, .type = 'L', .name = "././@LongLink", .data = "hard", .size = 5);
    TAR(&tar, .type = 'K', .name = "././@LongLink", .data = other, .size = 999);
    TAR(&tar, .type = '1', .name = "short", .link = "short");
    expect_layer(place, "x", &tar);

    expect_link(in(place, "x/fs/%s", name), other);
    expect_text(in(place, "x/fs/%s", other), "x");
    expect_text(in(place, "x/fs/hard"), "x");
}

static void lay_3_names_are_bytes(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };

    TAR(&tar, .name = "latin-\xe9", .data = "1");
    pax_one(&tar, "path", "pax-latin-\xe9\xff");
    TAR(&tar, .name = "short", .data = "2");
    pax_one(&tar, "path", "utf8-\xc3\xa9-e\xcc\x81");
    TAR(&tar, .name = "short", .data = "3");
    pax_add(&records, "linkpath", "to-\xe9", 4);
    pax_end(&tar, &records);
    TAR(&tar, .type = '2', .name = "l\n\x01", .link = "short");
    expect_layer(place, "x", &tar);

    expect_text(in(place, "x/fs/latin-\xe9"), "1");
    expect_text(in(place, "x/fs/pax-latin-\xe9\xff"), "2");
    expect_text(in(place, "x/fs/utf8-\xc3\xa9-e\xcc\x81"), "3");
    expect_link(in(place, "x/fs/l\n\x01"), "to-\xe9");
}

static void lay_3_names_that_no_system_takes_are_refused(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char name[5001];

    memset(name, 'n', 256);
    name[256] = '\0';
    pax_one(&tar, "path", name);
    TAR(&tar, .name = "short", .data = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "255 bytes");

    long_name(name, 5000);
    pax_one(&tar, "path", name);
    TAR(&tar, .name = "short", .data = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "4095 bytes");
}

static void lay_3_sizes_come_by_pax_and_in_base_256(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, header = { 0 };

    pax_one(&tar, "size", "5");
    TAR(&header, .name = "pax");
    bytes_add(&tar, header.at, 512);
    bytes_add(&tar, "12345", 5);
    bytes_zero(&tar, 507);
    bytes_free(&header);
    TAR(&header, .name = "base256");
    memset(header.at + 124, 0, 12);
    header.at[124] = 0x80;
    header.at[135] = 6;
    header_sum(header.at);
    bytes_add(&tar, header.at, 512);
    bytes_add(&tar, "123456", 6);
    bytes_zero(&tar, 506);
    bytes_free(&header);
    TAR(&tar, .name = "after", .data = "x");
    expect_layer(place, "x", &tar);

    expect_text(in(place, "x/fs/pax"), "12345");
    expect_text(in(place, "x/fs/base256"), "123456");
    expect_text(in(place, "x/fs/after"), "x");
}

static void lay_3_a_size_beyond_the_stream_is_found_out(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    pax_one(&tar, "size", "20000000000000");
    TAR(&tar, .name = "huge", .data = "x");
    expect_refused(place, &tar, ERROR_DATA_LOSS, "Truncated");
}

static void lay_3_a_sparse_file_keeps_its_holes(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };
    char data[1024] = "2\n8192\n4\n20000\n0\n";

    memcpy(data + 512, "data", 4);
    pax_add(&records, "GNU.sparse.major", "1", 1);
    pax_add(&records, "GNU.sparse.minor", "0", 1);
    pax_add(&records, "GNU.sparse.name", "sparse", 6);
    pax_add(&records, "GNU.sparse.realsize", "20000", 5);
    pax_end(&tar, &records);
    TAR(&tar, .name = "GNUSparseFile.0/sparse", .data = data, .size = 516);
    TAR(&tar, .name = "after", .data = "x");
    expect_layer(place, "x", &tar);

    char found[20001] = { 0 };
    int fd = open(in(place, "x/fs/sparse"), O_RDONLY | O_CLOEXEC);

    assert_int_equal(read(fd, found, sizeof(found)), 20000);
    close(fd);
    assert_memory_equal(found + 8190, "\0\0data\0\0", 8);
    assert_true(stat_of(in(place, "x/fs/sparse")).st_blocks * 512 < 20000);
    expect_text(in(place, "x/fs/after"), "x");
}

static void lay_12_missing_folders_are_made_0755_root(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "a/b/c", .uid = 5, .mode = 0600, .mtime = 4444, .data = "x");
    TAR(&tar, .type = '5', .name = "a", .mode = 0700, .mtime = 5555);
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), 0);
    bytes_free(&tar);
    assert_int_equal(stat_of(in(place, "x/fs/a")).st_mode, S_IFDIR | 0700);
    assert_int_equal(mtime_ns(in(place, "x/fs/a")), 5555ll * 1000000000);
    assert_int_equal(stat_of(in(place, "x/fs/a/b")).st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(in(place, "x/fs/a/b")).st_uid, 0);
    assert_int_equal(mtime_ns(in(place, "x/fs/a/b")), 4444ll * 1000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lay_1_every_type_of_entry_is_made),
        TEST(lay_1_global_pax_headers_are_skipped),
        TEST(lay_1_an_empty_layer_is_a_layer),
        TEST(lay_2_setuid_survives_the_change_of_owner),
        TEST(lay_2_files_in_a_setgid_folder_keep_their_own_group),
        TEST(lay_2_owners_are_numbers_and_large_ones_work),
        TEST(lay_2_times_have_nanoseconds_and_folders_get_theirs_last),
        TEST(lay_2_extended_attributes_and_capabilities_are_kept),
        TEST(lay_2_a_default_acl_does_not_reach_what_is_unpacked_under_it),
        TEST(lay_2_the_root_has_attributes_too),
        TEST(lay_3_long_names_come_by_pax_and_by_gnu_headers),
        TEST(lay_3_names_are_bytes),
        TEST(lay_3_names_that_no_system_takes_are_refused),
        TEST(lay_3_sizes_come_by_pax_and_in_base_256),
        TEST(lay_3_a_size_beyond_the_stream_is_found_out),
        TEST(lay_3_a_sparse_file_keeps_its_holes),
        TEST(lay_12_missing_folders_are_made_0755_root),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
