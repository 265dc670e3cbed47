/* test_index_choice — the entry of an index for a platform: the best one, those that must be looked
   into, and what is said when there is none. */
#include "tests/protocol/oci/manifest_fixture.h"

static void plt_3_the_entry_of_the_platform_is_chosen(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        parse_index(
            f,
            INDEX(ENTRY(MEDIA_OCI_MANIFEST, D("aaaa"), PLATFORM("unknown", "unknown")) "," ENTRY(
                MEDIA_OCI_MANIFEST, D1,
                PLATFORM(
                    "linux",
                    "386")) "," ENTRY(MEDIA_OCI_MANIFEST, D2,
                                      PLATFORM(
                                          "linux",
                                          "x86_64")) "," ENTRY(MEDIA_OCI_MANIFEST, D3,
                                                               PLATFORM(
                                                                   "linux",
                                                                   "amd64")) "," ENTRY("application"
                                                                                       "/x-odd",
                                                                                       D("4444"),
                                                                                       PLATFORM(
                                                                                           "linux",
                                                                                           "riscv6"
                                                                                           "4")) "," ENTRY(MEDIA_OCI_MANIFEST,
                                                                                                           D("5555"),
                                                                                                           PLATFORM(
                                                                                                               "windows",
                                                                                                               "amd64"))),
            MEDIA_OCI_INDEX),
        0);
    assert_int_equal(choose(f, "linux/amd64"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D2); /* the first of two equal ones */
    assert_int_equal(f->choice.rank, 0);
    assert_int_equal(choose(f, "linux/386"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D1);
    assert_int_equal(choose(f, "linux/amd64/v3"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D2);
    assert_int_equal(f->choice.unsure_count, 0);
    assert_int_equal(choose(f, "linux/riscv64"), -1);
    assert_int_equal(f->err.code, ERROR_NOT_FOUND);
    assert_string_equal(f->err.text, "no variant for linux/riscv64 (has: linux/386, linux/amd64, "
                                     "linux/riscv64, windows/amd64)");
}

static void plt_5_the_newest_windows_of_those_that_fit_is_chosen(void **state)
{
#define VERSION(version, features)                                                 \
    ",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\",\"os.version\":" \
    "\"10.0." version "\",\"os.features\":[" features "]}"
    static const char text[] =
        INDEX(ENTRY(MEDIA_OCI_MANIFEST, D1, VERSION("20348.900", "")) "," ENTRY(
            MEDIA_OCI_MANIFEST, D2,
            VERSION("20348.2000", "")) "," ENTRY(MEDIA_OCI_MANIFEST, D3,
                                                 VERSION("26100.1", "\"win32k\"")));
    struct fixture *f = *state;

    assert_int_equal(parse_index(f, text, NULL), 0);
    assert_int_equal(choose(f, "windows(10.0.20348.1)/amd64"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D2);
    assert_int_equal(choose(f, "windows(10.0.26100.1)/amd64"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D2);
    assert_int_equal(choose(f, "windows(10.0.26100.1+win32k)/amd64"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D3);
    assert_int_equal(choose(f, "windows/amd64"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D2);
    assert_int_equal(choose(f, "windows(10.0.17763.1)/amd64"), -1);
    assert_non_null(strstr(f->err.text, "windows(10.0.26100.1+win32k)/amd64"));
}

static void plt_4_entries_without_platform_are_looked_into(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        parse_index(f,
                    INDEX(ENTRY(MEDIA_OCI_MANIFEST, D1, "") "," ENTRY(
                        "application/x-odd", D2,
                        "") "," ENTRY(MEDIA_OCI_INDEX, D3,
                                      ",\"platform\":{}") "," ENTRY(MEDIA_OCI_MANIFEST, D("4444"),
                                                                    PLATFORM("linux", "arm64"))),
                    NULL),
        0);
    assert_int_equal(choose(f, "linux/amd64"), 0);
    assert_null(f->choice.entry);
    assert_int_equal(f->choice.unsure_count, 2);
    assert_string_equal(f->choice.unsure[0]->blob.digest, D1);
    assert_string_equal(f->choice.unsure[1]->blob.digest, D3);
    assert_int_equal(choose(f, "linux/arm64"), 0);
    assert_string_equal(f->choice.entry->blob.digest, D("4444"));
}

static void plt_6_a_missing_variant_is_told_with_all_there_are(void **state)
{
    struct fixture *f = *state;
    struct buffer text = { 0 };
    char entry[400];

    assert_int_equal(parse_index(f, INDEX(""), NULL), 0);
    assert_int_equal(choose(f, "linux/arm/v6"), -1);
    assert_string_equal(f->err.text, "no variant for linux/arm/v6 (has: none)");

    buffer_add(&text, "{\"schemaVersion\":2,\"manifests\":[", 32);
    for (int i = 0; i < 900; i++) {
        int length = snprintf(entry, sizeof(entry),
                              "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":1,\"platform\":"
                              "{\"os\":\"linux\",\"architecture\":\"a\\u001b%d\"}}",
                              i ? "," : "", MEDIA_OCI_MANIFEST, D1, i);
        buffer_add(&text, entry, (size_t)length);
    }
    buffer_add(&text, "]}", 3);
    assert_int_equal(parse_index(f, text.data, NULL), 0);
    assert_int_equal(choose(f, "linux/amd64"), -1);
    assert_null(strchr(f->err.text, '\x1b'));
    assert_non_null(strstr(f->err.text, "linux/a?0, linux/a?1, "));
    assert_non_null(strstr(f->err.text, "...)"));
    buffer_free(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(plt_3_the_entry_of_the_platform_is_chosen),
        TEST(plt_5_the_newest_windows_of_those_that_fit_is_chosen),
        TEST(plt_4_entries_without_platform_are_looked_into),
        TEST(plt_6_a_missing_variant_is_told_with_all_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
