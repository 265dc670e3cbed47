/*
 * What gantry-unpack makes of layers: each rule of the layer format (LAY-1 .. LAY-18) by name,
 * and each kind of damage.
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

/* ---- LAY-4 and LAY-14: something is there already ----------------------------------------- */

static void lay_4_a_folder_over_a_folder_changes_only_attributes(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char value[8];

    pax_one(&tar, "SCHILY.xattr.user.old", "1");
    TAR(&tar, .type = '5', .name = "d", .mode = 0700, .uid = 1, .mtime = 1111);
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .type = '5', .name = "d", .mode = 02750, .gid = 2, .mtime = 2222);
    expect_layer(place, "x", &tar);

    expect_text(in(place, "x/fs/d/f"), "x");
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_mode, S_IFDIR | 02750);
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_uid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_gid, 2);
    assert_int_equal(mtime_ns(in(place, "x/fs/d")), 2222ll * 1000000000);
    assert_int_equal(lgetxattr(in(place, "x/fs/d"), "user.old", value, 8), -1);
    assert_false(is_opaque_at(in(place, "x/fs/d")));
}

static void lay_4_a_file_replaces_a_folder_with_all_in_it(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "d/e/f/g", .data = "x");
    TAR(&tar, .type = '5', .name = "d/e/empty");
    TAR(&tar, .type = '2', .name = "d/e/out", .link = "../..");
    TAR(&tar, .name = "keep", .data = "kept");
    TAR(&tar, .name = "d", .data = "file");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/d"), "file");
    expect_text(in(place, "x/fs/keep"), "kept");
    assert_int_equal(place->news.inodes, 2);
}

static void lay_4_a_folder_replaces_a_link_and_hides_the_parents_folder(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "real/f", .data = "x");
    TAR(&tar, .type = '2', .name = "l", .link = "real");
    TAR(&tar, .type = '5', .name = "l");
    TAR(&tar, .name = "l/g", .data = "y");
    expect_layer(place, "x", &tar);
    assert_true(S_ISDIR(stat_of(in(place, "x/fs/l")).st_mode));
    assert_true(is_opaque_at(in(place, "x/fs/l")));
    expect_text(in(place, "x/fs/l/g"), "y");
    assert_false(is_there(in(place, "x/fs/real/g")));
}

static void lay_14_of_two_entries_the_last_one_wins(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "f", .mode = 0777, .uid = 7, .data = "first");
    TAR(&tar, .type = '1', .name = "h", .link = "f");
    TAR(&tar, .name = "f", .data = "second, longer");
    TAR(&tar, .type = '2', .name = "s", .link = "f");
    TAR(&tar, .name = "s", .data = "third");
    TAR(&tar, .type = '1', .name = "s", .link = "h");
    TAR(&tar, .type = '1', .name = "h", .link = "h");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/f"), "second, longer");
    expect_text(in(place, "x/fs/h"), "first");
    expect_text(in(place, "x/fs/s"), "first");
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_uid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_mode, S_IFREG | 0644);
    assert_int_equal(place->news.inodes, 2);
}

/* ---- LAY-5 .. LAY-9: whiteouts ----------------------------------------------------------------
 */

static void lay_5_a_whiteout_leaves_this_layers_own_file_whatever_the_order(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "d/.wh.before", .data = "");
    TAR(&tar, .name = "d/before", .data = "1");
    TAR(&tar, .name = "d/after", .data = "2");
    TAR(&tar, .name = "d/.wh.after", .data = "");
    TAR(&tar, .name = "d/.wh.gone", .data = "");
    TAR(&tar, .name = "d/.wh..hidden", .data = "");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/d/before"), "1");
    expect_text(in(place, "x/fs/d/after"), "2");
    assert_true(is_whiteout_at(in(place, "x/fs/d/gone")));
    assert_true(is_whiteout_at(in(place, "x/fs/d/.hidden")));
    assert_false(is_there(in(place, "x/fs/d/.wh.gone")));
}

static void lay_5_a_whiteout_of_an_own_folder_hides_the_parents_one(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = ".wh.a", .data = "");
    TAR(&tar, .type = '5', .name = "a", .mode = 0700);
    TAR(&tar, .type = '5', .name = "b", .mode = 0700);
    TAR(&tar, .name = ".wh.b", .data = "");
    TAR(&tar, .name = ".wh.c", .data = "");
    TAR(&tar, .name = "c/f", .data = "x");
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .name = ".wh.d", .data = "");
    expect_layer(place, "x", &tar);
    for (char name = 'a'; name <= 'd'; name++)
        assert_true(is_opaque_at(in(place, "x/fs/%c", name)));
    assert_int_equal(stat_of(in(place, "x/fs/a")).st_mode, S_IFDIR | 0700);
    assert_int_equal(stat_of(in(place, "x/fs/c")).st_mode, S_IFDIR | 0755);
}

static void lay_6_an_opaque_folder_keeps_this_layers_children_whatever_the_order(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "d", .mode = 0711);
    TAR(&tar, .name = "d/before", .data = "1");
    TAR(&tar, .name = "d/.wh..wh..opq", .data = "");
    TAR(&tar, .name = "d/after", .data = "2");
    TAR(&tar, .name = "e/.wh..wh..opq", .data = "");
    TAR(&tar, .type = '5', .name = "e", .mode = 0700);
    expect_layer(place, "x", &tar);
    assert_true(is_opaque_at(in(place, "x/fs/d")));
    assert_true(is_opaque_at(in(place, "x/fs/e")));
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_mode, S_IFDIR | 0711);
    assert_int_equal(stat_of(in(place, "x/fs/e")).st_mode, S_IFDIR | 0700);
    expect_text(in(place, "x/fs/d/before"), "1");
    expect_text(in(place, "x/fs/d/after"), "2");
    assert_false(is_there(in(place, "x/fs/d/.wh..wh..opq")));
}

static void lay_7_whiteouts_of_nothing_and_tricks_are_refused(void **state)
{
    static const char *const names[] = { ".wh.",           "a/.wh.",    ".wh..",   "a/.wh...",
                                         "a/.wh.b/c",      ".wh./a",    ".wh..",   "../.wh.",
                                         ".wh..wh..opq/x", "a/.wh../b", ".wh.../b" };
    struct place *place = *state;
    struct bytes tar = { 0 };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        TAR(&tar, .name = names[i], .data = "");
        expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "whiteout");
    }
}

static void lay_7_notes_of_other_file_systems_are_ignored(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = ".wh..wh.plnk", .mode = 0700);
    TAR(&tar, .name = ".wh..wh.plnk/1.2", .data = "x");
    TAR(&tar, .name = ".wh..wh.aufs", .data = "x");
    TAR(&tar, .name = "f", .data = "x");
    expect_layer(place, "x", &tar);
    assert_int_equal(place->news.inodes, 1);
}

static void lay_8_whiteouts_in_a_layer_without_parents_are_dropped(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = ".wh.a", .data = "");
    TAR(&tar, .type = '5', .name = "d");
    TAR(&tar, .name = "d/.wh..wh..opq", .data = "");
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .name = "implied/f", .data = "x");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), 0);
    bytes_free(&tar);
    assert_false(is_there(in(place, "x/fs/a")));
    assert_false(is_opaque_at(in(place, "x/fs/d")));
    assert_int_equal(place->news.inodes, 4);
    assert_int_equal(place->news.deferred, 0);
    assert_false(is_there(in(place, "x/deferred")));
    assert_int_equal(listxattr(in(place, "x/fs/implied"), NULL, 0), 0);
}

static void lay_9_an_image_cannot_set_overlays_attributes(void **state)
{
    static const char *const keys[] = {
        "SCHILY.xattr.trusted.overlay.opaque",       "SCHILY.xattr.trusted.overlay.redirect",
        "SCHILY.xattr.user.overlay.whiteout",        "LIBARCHIVE.xattr.trusted.overlay.metacopy",
        "LIBARCHIVE.xattr.trusted%2eoverlay.origin", "SCHILY.xattr.trusted.gantry.implied",
    };
    struct place *place = *state;
    struct bytes tar = { 0 };

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        pax_one(&tar, keys[i], "eQ");
        TAR(&tar, .type = i % 2 ? '5' : '0', .name = "x");
        expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "may not set the attribute");
    }
}

static void lay_9_an_image_cannot_make_a_whiteout_device(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '3', .name = "dev/x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "0:0");
    pax_one(&tar, "SCHILY.devmajor", "4294967296");
    TAR(&tar, .type = '3', .name = "dev/x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "0:0");
}

/* ---- LAY-11: no way out --------------------------------------------------------------------- */

/* A file beside the layer folder that hostile layers aim at. */
static void expect_untouched(struct place *place)
{
    expect_text(in(place, "victim/f"), "untouched");
    assert_int_equal(stat_of(in(place, "victim/f")).st_mode, S_IFREG | 0600);
    assert_int_equal(stat_of(in(place, "victim/f")).st_nlink, 1);
    assert_false(is_there(in(place, "victim/new")));
}

static void victim_make(struct place *place)
{
    mkdir(in(place, "victim"), 0700);
    put_file(in(place, "victim/f"), "untouched", 9);
}

static void lay_11_dots_and_slashes_stay_within_the_root(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .name = "../victim/new", .data = "1");
    TAR(&tar, .name = "/../../victim/f", .data = "2");
    TAR(&tar, .name = "a/../../../victim/g", .data = "3");
    TAR(&tar, .name = "/abs//./x/", .type = '5');
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/victim/new"), "1");
    expect_text(in(place, "x/fs/victim/f"), "2");
    expect_text(in(place, "x/fs/victim/g"), "3");
    assert_true(is_there(in(place, "x/fs/abs/x")));
}

static void lay_11_links_as_parents_stay_within_the_root(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '2', .name = "up", .link = "../../victim");
    TAR(&tar, .name = "up/new", .data = "1");
    TAR(&tar, .type = '2', .name = "abs", .link = in(place, "victim"));
    TAR(&tar, .name = "abs/f", .data = "2");
    TAR(&tar, .type = '2', .name = "magic", .link = "/proc/self/root");
    TAR(&tar, .name = "magic/f", .data = "3");
    TAR(&tar, .type = '2', .name = "chain1", .link = "chain2/../up");
    TAR(&tar, .type = '2', .name = "chain2", .link = "/");
    TAR(&tar, .name = "chain1/chained", .data = "4");
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/victim/new"), "1");
    expect_text(in(place, "x/fs/%s/victim/f", place->root + 1), "2");
    expect_text(in(place, "x/fs/proc/self/root/f"), "3");
    expect_text(in(place, "x/fs/victim/chained"), "4");
}

static void lay_11_writing_over_a_link_replaces_the_link(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '2', .name = "l", .link = in(place, "victim/f"));
    TAR(&tar, .name = "l", .mode = 04777, .uid = 5, .data = "evil");
    TAR(&tar, .type = '2', .name = "m", .link = in(place, "victim"));
    TAR(&tar, .type = '5', .name = "m", .mode = 0777, .uid = 5);
    TAR(&tar, .type = '2', .name = "n", .link = "/dev/null");
    TAR(&tar, .name = "n", .data = "not a device");
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/l"), "evil");
    expect_text(in(place, "x/fs/n"), "not a device");
    assert_int_equal(stat_of(in(place, "victim")).st_mode, S_IFDIR | 0700);
}

static void lay_11_hard_links_to_the_outside_find_nothing(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '1', .name = "x", .link = "../../victim/f");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    bytes_free(&tar);
    TAR(&tar, .type = '2', .name = "l", .link = "../../victim");
    TAR(&tar, .type = '1', .name = "x", .link = "l/f");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    bytes_free(&tar);
    expect_untouched(place);
}

static void lay_11_a_hard_link_to_a_link_does_not_follow_it(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '2', .name = "l", .link = in(place, "victim/f"));
    TAR(&tar, .type = '1', .name = "h", .link = "l");
    TAR(&tar, .name = "h", .data = "new");
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/h"), "new");
    expect_link(in(place, "x/fs/l"), in(place, "victim/f"));
}

static void expect_refused_as_base(struct place *place, struct bytes *tar, const char *why)
{
    tar_end(tar);
    assert_int_equal(UNPACK(place, "refused", tar, .base = true), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(place->err.text, why) == NULL)
        fail_msg("refused for another reason: %s", place->err.text);
    bytes_free(tar);
}

static void lay_11_paths_that_lead_nowhere_are_refused(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '2', .name = "a", .link = "b");
    TAR(&tar, .type = '2', .name = "b", .link = "a");
    TAR(&tar, .name = "a/f", .data = "x");
    expect_refused_as_base(place, &tar, "links");
    TAR(&tar, .name = "f", .data = "x");
    TAR(&tar, .name = "f/g", .data = "x");
    expect_refused_as_base(place, &tar, "f is not a folder");
    TAR(&tar, .type = '5', .name = "d");
    TAR(&tar, .type = '1', .name = "h", .link = "d");
    expect_refused_as_base(place, &tar, "hard link to the folder");
    TAR(&tar, .name = "a/..", .data = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "the root");
    TAR(&tar, .type = '2', .name = "..", .link = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "the root");
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

/* ---- LAY-15, LAY-16, IMG-15: compression and digest
 * ------------------------------------------------ */

static void simple_tar(struct bytes *tar)
{
    TAR(tar, .type = '5', .name = "d");
    TAR(tar, .name = "d/f", .data = "some text, and more of it, and more of it");
    tar_end(tar);
}

static void img_15_the_diff_id_covers_what_lies_behind_the_end(void **state)
{
    static const char *const formats[] = { "none", "gzip", "zstd", "auto" };
    struct place *place = *state;
    struct bytes tar = { 0 };
    char diff_id[72];

    simple_tar(&tar);
    bytes_zero(&tar, 300000);
    bytes_add(&tar, "not even zeros", 14);
    diff_id_of(&tar, diff_id);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        struct bytes blob = { 0 };

        if (i == 1 || i == 3)
            gzip_add(&blob, tar.at, tar.size);
        else if (i == 2)
            zstd_add(&blob, tar.at, tar.size);
        else
            bytes_add(&blob, tar.at, tar.size);
        if (UNPACK(place, formats[i], &blob, .compression = formats[i]) < 0)
            fail_msg("%s: %s", formats[i], place->err.text);
        assert_string_equal(place->news.diff_id, diff_id);
        assert_int_equal(place->news.uncompressed, tar.size);
        bytes_free(&blob);
    }
    bytes_free(&tar);
}

static void lay_15_every_truncation_of_a_gzip_or_zstd_layer_is_found_out(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, blob = { 0 };
    size_t whole;

    simple_tar(&tar);
    for (int zstd = 0; zstd < 2; zstd++) {
        (zstd ? zstd_add : gzip_add)(&blob, tar.at, tar.size);
        whole = blob.size;
        for (size_t size = 0; size < whole; size += size < 40 || size > whole - 20 ? 1 : 97) {
            blob.size = size;
            if (UNPACK(place, "x", &blob, .compression = zstd ? "zstd" : "gzip") == 0)
                fail_msg("%zu of %zu bytes were taken for a layer", size, whole);
            if (place->err.code != ERROR_DATA_LOSS)
                fail_msg("%zu bytes: %s", size, place->err.text);
        }
        bytes_free(&blob);
    }
    bytes_free(&tar);
}

static void lay_15_a_wrong_check_sum_or_length_is_found_out(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 }, blob = { 0 };

    simple_tar(&tar);
    gzip_add(&blob, tar.at, tar.size);
    for (size_t back = 1; back <= 8; back++) {
        blob.at[blob.size - back] ^= 1;
        assert_int_equal(UNPACK(place, "x", &blob, .compression = "gzip"), -1);
        assert_int_equal(place->err.code, ERROR_DATA_LOSS);
        blob.at[blob.size - back] ^= 1;
    }
    blob.at[600] ^= 1; /* in the data */
    assert_int_equal(UNPACK(place, "x", &blob, .compression = "gzip"), -1);
    assert_int_equal(place->err.code, ERROR_DATA_LOSS);
    bytes_free(&blob);
    bytes_free(&tar);
}

static void lay_15_garbage_behind_the_data_is_found_out(void **state)
{
    static const char *const garbage[] = { "x", "\x1f", "\x1f\x8b", "\x1fx", "garbage and more" };
    struct place *place = *state;
    struct bytes tar = { 0 };

    simple_tar(&tar);
    for (size_t i = 0; i < 2 * COUNT_OF(garbage) + 2; i++) {
        bool zstd = i % 2;
        struct bytes blob = { 0 };

        (zstd ? zstd_add : gzip_add)(&blob, tar.at, tar.size);
        if (i / 2 < COUNT_OF(garbage))
            bytes_add(&blob, garbage[i / 2], strlen(garbage[i / 2]));
        else
            bytes_zero(&blob, 512);
        if (UNPACK(place, "x", &blob, .compression = zstd ? "zstd" : "gzip") == 0)
            fail_msg("garbage %zu was taken for a part of the layer", i);
        assert_int_equal(place->err.code, ERROR_DATA_LOSS);
        bytes_free(&blob);
    }
    bytes_free(&tar);
}

static void lay_15_a_damaged_tar_is_found_out(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    simple_tar(&tar);
    tar.at[512 + 3] ^= 1; /* the second header */
    expect_refused(place, &tar, ERROR_DATA_LOSS, "tar");
    simple_tar(&tar);
    tar.size = 512 + 512 + 100;
    assert_int_equal(UNPACK(place, "refused", &tar), -1);
    assert_int_equal(place->err.code, ERROR_DATA_LOSS);
    bytes_free(&tar);
    bytes_add(&tar, "this is no tar file at all", 26);
    expect_refused(place, &tar, ERROR_DATA_LOSS, "tar");
    TAR(&tar, .type = 'x', .name = "pax", .data = "9999 path=nonsense\n");
    TAR(&tar, .name = "f", .data = "x");
    expect_refused(place, &tar, ERROR_DATA_LOSS, "pax");
}

static void lay_16_members_and_frames_may_be_many_and_some_empty(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char diff_id[72];

    simple_tar(&tar);
    diff_id_of(&tar, diff_id);
    for (int zstd = 0; zstd < 2; zstd++)
        for (size_t part = 1; part < tar.size; part = part * 3 + 1) {
            struct bytes blob = { 0 };
            char name[32];

            for (size_t at = 0; at < tar.size; at += part) {
                size_t size = tar.size - at < part ? tar.size - at : part;

                if (zstd) {
                    bytes_little(&blob, 0x184d2a50 + at % 16, 4); /* a skippable frame */
                    bytes_little(&blob, 3, 4);
                    bytes_add(&blob, "toc", 3);
                }
                (zstd ? zstd_add : gzip_add)(&blob, tar.at + at, size);
                if (at % 7 == 0)
                    (zstd ? zstd_add : gzip_add)(&blob, tar.at, 0);
            }
            snprintf(name, sizeof(name), "x%d-%zu", zstd, part);
            if (UNPACK(place, name, &blob, .compression = zstd ? "zstd" : "gzip") < 0)
                fail_msg("parts of %zu: %s", part, place->err.text);
            assert_string_equal(place->news.diff_id, diff_id);
            if (UNPACK(place, name, &blob, .compression = "auto") < 0)
                fail_msg("parts of %zu: %s", part, place->err.text);
            expect_text(in(place, "%s/fs/d/f", name), "some text, and more of it, and more of it");
            bytes_free(&blob);
        }
    bytes_free(&tar);
}

/* Real compressors, real blocks, and files larger than any buffer. */
static void lay_16_what_gzip_and_zstd_write_is_read(void **state)
{
    static const char *const programs[] = { "gzip -1", "gzip -9", "zstd -q -3",
                                            "zstd -q -19 --long=25" };
    struct place *place = *state;
    struct bytes tar = { 0 };
    size_t size = 3 << 20;
    char *data = malloc(size), command[512], diff_id[72];
    uint64_t noise = 1;

    for (size_t i = 0; i < size; i++) {
        noise = noise * 6364136223846793005u + 1442695040888963407u;
        data[i] = (char)(i % 1000 < 700 ? "lorem ipsum "[i % 12] : (char)(noise >> 60));
    }
    for (int i = 0; i < 3; i++) {
        char name[8] = { (char)('a' + i), '\0' };

        TAR(&tar, .name = name, .data = data + i, .size = size - (size_t)(i * 100000));
    }
    tar_end(&tar);
    diff_id_of(&tar, diff_id);
    put_file(in(place, "tar"), tar.at, tar.size);
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        struct bytes blob = { 0 };
        struct error err;
        char name[8];

        snprintf(command, sizeof(command), "%s -c %s > %s", programs[i], in(place, "tar"),
                 in(place, "compressed"));
        if (system(command) != 0) {
            print_message("left out: %s does not run here\n", programs[i]);
            continue;
        }
        blob.at = (uint8_t *)fs_read(in(place, "compressed"), 100 << 20, &blob.size, &err);
        assert_non_null(blob.at);
        snprintf(name, sizeof(name), "x%zu", i);
        if (UNPACK(place, name, &blob, .compression = i < 2 ? "gzip" : "zstd") < 0)
            fail_msg("%s: %s", programs[i], place->err.text);
        assert_string_equal(place->news.diff_id, diff_id);
        snprintf(command, sizeof(command), "tail -c +1025 %s | head -c 3000 | cmp -n 3000 - %s",
                 in(place, "tar"), in(place, "x%zu/fs/a", i));
        assert_int_equal(stat_of(in(place, "x%zu/fs/a", i)).st_size, size);
        assert_true(place->news.size >= size * 3 - 300000);
        bytes_free(&blob);
    }
    free(data);
    bytes_free(&tar);
}

static void compressions_that_are_not_known_are_refused(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    simple_tar(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .compression = "bzip2"), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    assert_int_equal(UNPACK(place, "x", &tar, .compression = "gzip"), -1);
    assert_non_null(strstr(place->err.text, "not gzip"));
    assert_int_equal(UNPACK(place, "x", &tar, .compression = "zstd"), -1);
    assert_non_null(strstr(place->err.text, "not zstd"));
    bytes_free(&tar);
}

/* ---- LAY-18: cost ------------------------------------------------------------------------------
 */

static void lay_18_limits_stop_bombs(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    simple_tar(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .max_bytes = tar.size), 0);
    assert_int_equal(UNPACK(place, "x", &tar, .max_bytes = tar.size - 1), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(UNPACK(place, "x", &tar, .max_entries = 2), 0);
    assert_int_equal(UNPACK(place, "x", &tar, .max_entries = 1), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
    bytes_free(&tar);
    TAR(&tar, .name = "a/b/c/d/e/f/g", .data = "x");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .max_entries = 6), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
    bytes_free(&tar);
}

/* The same entries twice as often may take little more than twice as long. */
static double seconds_for(struct place *place, void (*fill)(struct bytes *tar, int count),
                          int count)
{
    struct bytes tar = { 0 };
    int64_t start;

    fill(&tar, count);
    tar_end(&tar);
    start = clock_monotonic();
    if (UNPACK(place, "cost", &tar) < 0)
        fail_msg("%s", place->err.text);
    bytes_free(&tar);
    return (double)(clock_monotonic() - start) / 1e9;
}

static void expect_linear(struct place *place, void (*fill)(struct bytes *tar, int count))
{
    double once = seconds_for(place, fill, 2000), more = seconds_for(place, fill, 16000);

    if (more > once * 8 * 3 + 0.5)
        fail_msg("2000 take %.3f s, 16000 take %.3f s", once, more);
}

static void many_opaque_marks(struct bytes *tar, int count)
{
    for (int i = 0; i < count; i++) {
        TAR(tar, .name = "d/.wh..wh..opq", .data = "");
        if (i % 4 == 0) {
            char name[32];

            snprintf(name, sizeof(name), "d/%d", i);
            TAR(tar, .name = name, .data = "");
        }
    }
}

static void many_whiteouts_and_files(struct bytes *tar, int count)
{
    char name[32];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "d/%s%d", i % 2 ? ".wh." : "", i / 2);
        TAR(tar, .name = name, .data = "");
    }
}

static void many_replacements(struct bytes *tar, int count)
{
    for (int i = 0; i < count; i++)
        if (i % 3 == 0)
            TAR(tar, .type = '5', .name = "d");
        else
            TAR(tar, .name = i % 3 == 1 ? "d/e/f" : "d", .data = "");
}

static void many_folders_in_turns(struct bytes *tar, int count)
{
    char name[64];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "d%d/%d", i % 100, i);
        TAR(tar, .name = name, .data = "");
    }
}

static void lay_18_bombs_of_opaque_marks_take_linear_time(void **state)
{
    expect_linear(*state, many_opaque_marks);
}

static void lay_18_bombs_of_whiteouts_take_linear_time(void **state)
{
    expect_linear(*state, many_whiteouts_and_files);
}

static void lay_18_bombs_of_replaced_folders_take_linear_time(void **state)
{
    expect_linear(*state, many_replacements);
}

static void lay_18_folders_in_turns_take_linear_time(void **state)
{
    expect_linear(*state, many_folders_in_turns);
}

static void lay_18_a_deep_and_wide_folder_is_removed(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char name[4096] = "d";

    for (size_t at = 1; at + 3 < 4000; at += 2) {
        strcpy(name + at, "/x");
        if (at % 100 == 1) {
            pax_one(&tar, "path", name);
            TAR(&tar, .type = '5', .name = "short");
        }
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "d/w/%d%s", i, i % 3 ? "" : "/f");
        TAR(&tar, .name = name, .data = "");
    }
    TAR(&tar, .name = "d", .data = "gone");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/d"), "gone");
    assert_int_equal(place->news.inodes, 1);
    assert_int_equal(place->news.size, 4096);
}

/* A second attempt in the same folder begins anew. */
static void what_an_earlier_attempt_left_is_removed(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "./", .mode = 0700);
    TAR(&tar, .name = "old/f", .data = "x");
    TAR(&tar, .type = '1', .name = "link", .link = "elsewhere");
    expect_layer(place, "x", &tar);
    assert_true(is_there(in(place, "x/deferred")));
    TAR(&tar, .name = "new", .data = "x");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), 0);
    bytes_free(&tar);
    assert_false(is_there(in(place, "x/fs/old")));
    assert_false(is_there(in(place, "x/deferred")));
    assert_int_equal(stat_of(in(place, "x/fs")).st_mode, S_IFDIR | 0755);
    assert_true(is_there(in(place, "x/fs/new")));
}

static void what_is_counted_is_what_is_there(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    uint64_t size, inodes;

    TAR(&tar, .name = "a/b/c", .data = "x");
    TAR(&tar, .name = "a/b/d", .data = "y");
    TAR(&tar, .name = "a/b/c", .data = "z");
    TAR(&tar, .type = '2', .name = "a/s", .link = "b");
    TAR(&tar, .type = '6', .name = "a/p");
    TAR(&tar, .name = ".wh.gone", .data = "");
    expect_layer(place, "x", &tar);
    assert_int_equal(fs_usage(in(place, "x/fs"), &size, &inodes, &place->err), 0);
    assert_int_equal(place->news.inodes, inodes);
    if (stat_of(in(place, "x/fs/a")).st_blocks > 0) /* a folder in memory takes no blocks */
        assert_int_equal(place->news.size, size);
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
        TEST(lay_4_a_folder_over_a_folder_changes_only_attributes),
        TEST(lay_4_a_file_replaces_a_folder_with_all_in_it),
        TEST(lay_4_a_folder_replaces_a_link_and_hides_the_parents_folder),
        TEST(lay_5_a_whiteout_leaves_this_layers_own_file_whatever_the_order),
        TEST(lay_5_a_whiteout_of_an_own_folder_hides_the_parents_one),
        TEST(lay_6_an_opaque_folder_keeps_this_layers_children_whatever_the_order),
        TEST(lay_7_whiteouts_of_nothing_and_tricks_are_refused),
        TEST(lay_7_notes_of_other_file_systems_are_ignored),
        TEST(lay_8_whiteouts_in_a_layer_without_parents_are_dropped),
        TEST(lay_9_an_image_cannot_set_overlays_attributes),
        TEST(lay_9_an_image_cannot_make_a_whiteout_device),
        TEST(lay_11_dots_and_slashes_stay_within_the_root),
        TEST(lay_11_links_as_parents_stay_within_the_root),
        TEST(lay_11_writing_over_a_link_replaces_the_link),
        TEST(lay_11_hard_links_to_the_outside_find_nothing),
        TEST(lay_11_a_hard_link_to_a_link_does_not_follow_it),
        TEST(lay_11_paths_that_lead_nowhere_are_refused),
        TEST(lay_12_missing_folders_are_made_0755_root),
        TEST(lay_14_of_two_entries_the_last_one_wins),
        TEST(img_15_the_diff_id_covers_what_lies_behind_the_end),
        TEST(lay_15_every_truncation_of_a_gzip_or_zstd_layer_is_found_out),
        TEST(lay_15_a_wrong_check_sum_or_length_is_found_out),
        TEST(lay_15_garbage_behind_the_data_is_found_out),
        TEST(lay_15_a_damaged_tar_is_found_out),
        TEST(lay_16_members_and_frames_may_be_many_and_some_empty),
        TEST(lay_16_what_gzip_and_zstd_write_is_read),
        TEST(compressions_that_are_not_known_are_refused),
        TEST(lay_18_limits_stop_bombs),
        TIMED_TEST(lay_18_bombs_of_opaque_marks_take_linear_time),
        TIMED_TEST(lay_18_bombs_of_whiteouts_take_linear_time),
        TIMED_TEST(lay_18_bombs_of_replaced_folders_take_linear_time),
        TIMED_TEST(lay_18_folders_in_turns_take_linear_time),
        TEST(lay_18_a_deep_and_wide_folder_is_removed),
        TEST(what_an_earlier_attempt_left_is_removed),
        TEST(what_is_counted_is_what_is_there),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
