/*
 * test_unpack_stream — compression, digests and every kind of damage (LAY-15, LAY-16, IMG-15).
 */
#include "tests/platform/unpack_layer.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(img_15_the_diff_id_covers_what_lies_behind_the_end),
        TEST(lay_15_every_truncation_of_a_gzip_or_zstd_layer_is_found_out),
        TEST(lay_15_a_wrong_check_sum_or_length_is_found_out),
        TEST(lay_15_garbage_behind_the_data_is_found_out),
        TEST(lay_15_a_damaged_tar_is_found_out),
        TEST(lay_16_members_and_frames_may_be_many_and_some_empty),
        TEST(lay_16_what_gzip_and_zstd_write_is_read),
        TEST(compressions_that_are_not_known_are_refused),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
