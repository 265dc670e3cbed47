/* Finding the system call filter in the text of a spec. */
#include "tests/protocol/oci/spec_fixture.h"

#include "protocol/oci/spec_scan.h"

static const char *found(const char *text)
{
    static char part[256];
    size_t begin, end;

    if (!spec_scan_seccomp(text, strlen(text), &begin, &end))
        return NULL;
    snprintf(part, sizeof(part), "%.*s", (int)(end - begin), text + begin);
    return part;
}

static void the_filter_is_found_wherever_it_stands(void **state)
{
    (void)state;
    assert_string_equal(found("{\"linux\":{\"seccomp\":{\"a\":[1,{}]}}}"), "{\"a\":[1,{}]}");
    assert_string_equal(found(" { \"x\" : 1.5e3 , \"linux\" : { \"y\" : [ \"}\" ] , \"seccomp\" : { } } } "), "{ }");
    assert_string_equal(found("{\"a\":\"\\\"linux\\\":{\",\"linux\":{\"z\":null,\"seccomp\":{\"b\":\"\\\\\"},\"q\":true}}"),
                        "{\"b\":\"\\\\\"}");
}

static void a_filter_that_is_not_there_is_not_found(void **state)
{
    static const char *const without[] = {
        "", "[]", "{}", "{\"linux\":{}}", "{\"linux\":{\"seccomp\":null}}", "{\"linux\":[\"seccomp\"]}",
        "{\"seccomp\":{}}", "{\"linux\":{\"x\":{\"seccomp\":{}}}}", "{\"linux\":{\"seccomp\":\"{}\"}}",
        "{\"process\":{\"linux\":{\"seccomp\":{}}}}", "{\"linux\":{\"seccomp\":{", "{\"linux\"", "{\"linux\":",
        "{\"l", "{\"a\":\"\\", "{\"linuxx\":{\"seccomp\":{}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
        if (found(without[i]) != NULL)
            fail_msg("found in %s", without[i]);
}

static void a_text_cut_off_anywhere_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    size_t begin, end;

    built(fixture);
    assert_true(spec_scan_seccomp(fixture->text.data, fixture->text.size, &begin, &end));
    for (size_t size = 0; size < fixture->text.size; size += 7) {
        char *copy = malloc(size + 1); /* its end is where the sanitizer looks */

        memcpy(copy, fixture->text.data, size);
        if (spec_scan_seccomp(copy, size, &begin, &end))
            assert_true(begin < end && end <= size);
        free(copy);
    }
}

static void what_was_found_is_what_reading_finds(void **state)
{
    struct fixture *fixture = *state;
    json_t *spec = built(fixture), *part;
    size_t begin, end;

    assert_true(spec_scan_seccomp(fixture->text.data, fixture->text.size, &begin, &end));
    part = draft_read(fixture->text.data + begin, end - begin, &fixture->err);
    assert_non_null(part);
    assert_true(json_equal(part, at(spec, "linux.seccomp")));
    json_decref(part);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_found_wherever_it_stands),
        cmocka_unit_test(a_filter_that_is_not_there_is_not_found),
        cmocka_unit_test_setup_teardown(a_text_cut_off_anywhere_does_no_harm, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(what_was_found_is_what_reading_finds, fixture_make, fixture_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
