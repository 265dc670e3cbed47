/* JSON documents: read, written, and nothing lost. */
#include "tests/protocol/oci/spec_fixture.h"

static void the_one_large_number_survives_reading_and_writing(void **state)
{
    static const char text[] = "{\"a\":18446744073709551615,\"b\":[18446744073709551615,1],"
                               "\"c\":\"18446744073709551615\",\"d\":\"\\\"1.8446744073709552e19\","
                               "\"1.8446744073709552e19\":-1}";
    struct fixture *fixture = *state;
    struct buffer out = { 0 };
    json_t *document = draft_read(text, sizeof(text) - 1, &fixture->err);

    assert_non_null(document);
    assert_true(json_is_real(at(document, "a")));
    assert_int_equal(draft_write(document, 1000, &out, &fixture->err), 0);
    assert_int_equal(out.size, sizeof(text) - 1);
    assert_memory_equal(out.data, text, out.size);
    buffer_free(&out);
    json_decref(document);
    assert_null(draft_read("{\"a\":99999999999999999999}", 26, &fixture->err));
    assert_null(draft_read("[1]", 3, &fixture->err));
    assert_null(draft_read("{\"a", 3, &fixture->err));
    assert_null(draft_read("{\"a\\", 4, &fixture->err));
}

static void json_that_would_take_much_memory_is_refused_before(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 3 * DRAFT_VALUES_MAX;
    char *text = malloc(size);

    for (size_t i = 0; i < size; i++)
        text[i] = "[],"[i % 3];
    assert_null(draft_read(text, size, &fixture->err));
    assert_int_equal(fixture->err.code, ERROR_RESOURCE_EXHAUSTED);
    memset(text, '[', 100000);
    assert_null(draft_read(text, 100000, &fixture->err)); /* nor does depth break anything */
    assert_int_equal(fixture->err.code, ERROR_INVALID_ARGUMENT);
    free(text);
}

static void a_member_given_twice_is_an_error(void **state)
{
    struct fixture *fixture = *state;

    assert_null(draft_read("{\"a\":1,\"a\":2}", 13, &fixture->err));
    assert_non_null(strstr(fixture->err.text, "duplicate"));
}

static void random_bytes_are_json_or_an_error(void **state)
{
    static const char letters[] = "{}[]\",:\\ 18446744073709551615e.-tu\n";
    struct fixture *fixture = *state;
    unsigned seed = 7;
    char text[64];

    for (int round = 0; round < 50000; round++) {
        size_t size = (size_t)rand_r(&seed) % sizeof(text);

        for (size_t i = 0; i < size; i++)
            text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        json_decref(draft_read(text, size, &fixture->err));
    }
}

static void the_field_that_is_not_text_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct map_entry entry = { "key", "\xff" };

    fixture->options.annotations = (struct map){ 1, &entry };
    assert_int_equal(
        draft_check_texts(container_options_record(), &fixture->options, &fixture->err), -1);
    assert_non_null(strstr(fixture->err.text, "annotations: not UTF-8"));
    entry.value = "\xc3\xa4";
    assert_int_equal(
        draft_check_texts(container_options_record(), &fixture->options, &fixture->err), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_one_large_number_survives_reading_and_writing),
        TEST(json_that_would_take_much_memory_is_refused_before),
        TEST(a_member_given_twice_is_an_error),
        TEST(random_bytes_are_json_or_an_error),
        TEST(the_field_that_is_not_text_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
