/* A container's tar among the user's own files: nothing gets out of the folder, whatever its names
 * say. */
#include "platform/local_tree.h"
#include "tests/platform/unpack_layer.h"

struct reader {
    const struct bytes *tar;
    bool given;
};

static int64_t give(void *ctx, const void **bytes, struct error *err)
{
    struct reader *reader = ctx;

    (void)err;
    if (reader->given)
        return 0;
    reader->given = true;
    *bytes = reader->tar->at;
    return (int64_t)reader->tar->size;
}

static int unpack_as(struct place *place, const char *name, bool all, struct bytes *tar)
{
    struct reader reader = { .tar = tar };
    struct local_unpack unpack = {
        .folder = in(place, "here"), .name = name, .keep = all, .read = give, .ctx = &reader
    };
    int result;

    mkdir(in(place, "here"), 0755);
    tar_end(tar);
    place->err = (struct error){ 0 };
    result = local_unpack(&unpack, &place->err);
    bytes_free(tar);
    return result;
}

static void expect(struct place *place, const char *name, struct bytes *tar)
{
    if (unpack_as(place, name, false, tar) < 0)
        fail_msg("%s", place->err.text);
}

static void refused(struct place *place, struct bytes *tar, enum error_code code)
{
    assert_int_equal(unpack_as(place, "x", false, tar), -1);
    if (place->err.code != code)
        fail_msg("%s: %s", error_code_name(place->err.code), place->err.text);
}

static void the_first_name_is_replaced(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "etc/");
    TAR(&tar, .name = "etc/one", .data = "1");
    TAR(&tar, .type = '1', .name = "etc/two", .link = "etc/one");
    expect(place, "mine", &tar);
    expect_text(in(place, "here/mine/one"), "1");
    assert_int_equal(stat_of(in(place, "here/mine/two")).st_nlink, 2);
    TAR(&tar, .type = '5', .name = "./", .mode = 0700);
    TAR(&tar, .name = "./three", .data = "3");
    expect(place, ".", &tar);
    expect_text(in(place, "here/three"), "3");
    assert_int_equal(stat_of(in(place, "here")).st_mode & 07777, 0755);
}

static void no_name_leads_upwards(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "x/../../out", .data = "1");
    refused(place, &tar, ERROR_DATA_LOSS);
    TAR(&tar, .name = "../out", .data = "1");
    refused(place, &tar, ERROR_DATA_LOSS);
    TAR(&tar, .type = '1', .name = "x", .link = "x/../../secret");
    refused(place, &tar, ERROR_DATA_LOSS);
    assert_false(is_there(in(place, "out")));
    TAR(&tar, .type = '5', .name = "/etc");
    TAR(&tar, .name = "/etc/passwd", .data = "mine");
    expect(place, "x", &tar);
    expect_text(in(place, "here/x/passwd"), "mine");
}

static void no_link_is_followed_whoever_made_it(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "elsewhere"), 0755);
    mkdir(in(place, "here"), 0755);
    TAR(&tar, .type = '5', .name = "x");
    TAR(&tar, .type = '2', .name = "x/link", .link = "../../elsewhere");
    TAR(&tar, .name = "x/link/file", .data = "1");
    refused(place, &tar, ERROR_FAILED_PRECONDITION);
    assert_int_equal(symlink("../elsewhere", in(place, "here/old")), 0);
    TAR(&tar, .type = '5', .name = "y");
    TAR(&tar, .name = "y/file", .data = "1");
    assert_int_equal(unpack_as(place, "old", false, &tar), -1);
    assert_false(is_there(in(place, "elsewhere/file")));
    put_file(in(place, "elsewhere/target"), "theirs", 6);
    assert_int_equal(symlink("../elsewhere/target", in(place, "here/file")), 0);
    TAR(&tar, .name = "z", .data = "ours");
    expect(place, "file", &tar);
    expect_text(in(place, "elsewhere/target"), "theirs");
    expect_text(in(place, "here/file"), "ours");
    TAR(&tar, .type = '5', .name = "x");
    TAR(&tar, .type = '1', .name = "x/hard", .link = "x/link/target");
    refused(place, &tar, ERROR_FAILED_PRECONDITION);
}

static void powers_are_not_taken_over(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "x", .mode = 02755);
    TAR(&tar, .name = "x/program", .data = "1", .mode = 06755, .uid = 1234);
    TAR(&tar, .type = '4', .name = "x/disk", .major = 8);
    expect(place, "x", &tar);
    assert_int_equal(stat_of(in(place, "here/x")).st_mode & 07777, 0755);
    assert_int_equal(stat_of(in(place, "here/x/program")).st_mode & 07777, 0755);
    assert_int_equal(stat_of(in(place, "here/x/program")).st_uid, geteuid());
    assert_false(is_there(in(place, "here/x/disk")));
    TAR(&tar, .name = "program", .data = "1", .mode = 06755, .uid = 1234);
    assert_int_equal(unpack_as(place, "kept", true, &tar), 0);
    assert_int_equal(stat_of(in(place, "here/kept")).st_mode & 07777, 06755);
    assert_int_equal(stat_of(in(place, "here/kept")).st_uid, 1234);
}

static void a_folder_stays_a_folder(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "here"), 0755);
    mkdir(in(place, "here/x"), 0755);
    TAR(&tar, .name = "file", .data = "1");
    refused(place, &tar, ERROR_FAILED_PRECONDITION);
    put_file(in(place, "here/f"), "1", 1);
    TAR(&tar, .type = '5', .name = "d");
    assert_int_equal(unpack_as(place, "f", false, &tar), -1);
    TAR(&tar, .type = '5', .name = "d", .mode = 0555);
    TAR(&tar, .name = "d/inner", .data = "1");
    expect(place, "closed", &tar);
    assert_int_equal(stat_of(in(place, "here/closed")).st_mode & 07777, 0555);
}

static void a_broken_archive_is_said(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "x", .data = "some text");
    memcpy(tar.at + 124, "00000777777", 11); /* more bytes than there are */
    header_sum(tar.at);
    refused(place, &tar, ERROR_DATA_LOSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_name_is_replaced),
        TEST(no_name_leads_upwards),
        TEST(no_link_is_followed_whoever_made_it),
        TEST(powers_are_not_taken_over),
        TEST(a_folder_stays_a_folder),
        TEST(a_broken_archive_is_said),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
