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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_one_large_number_survives_reading_and_writing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
