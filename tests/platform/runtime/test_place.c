/* Reading OCI documents: values, and errors that name the way to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "platform/linux/runtime/place.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

static json_t *document;
static struct arena *arena;
static struct error err;

static struct place read_text(const char *text)
{
    json_decref(document);
    document = draft_read(text, strlen(text), &err);
    if (document == NULL)
        fail_msg("%s", err.text);
    return place_document(document);
}

static int setup(void **state UNUSED)
{
    arena = arena_new();
    return 0;
}

static int teardown(void **state UNUSED)
{
    json_decref(document);
    document = NULL;
    arena_drop(&arena);
    return 0;
}

static void values_are_found(void **state UNUSED)
{
    struct place top = read_text("{\"a\": {\"t\": \"x\", \"b\": true, \"i\": -3, \"u\": 18446744073709551615,"
                                 "\"l\": [\"p\", \"q\"]}}");
    struct place a = place_member(&top, "a");
    const char *text;
    bool flag, has;
    int64_t i;
    uint64_t u;
    struct strs list;

    assert_int_equal(place_text(&a, "t", &text, &err), 0);
    assert_string_equal(text, "x");
    assert_int_equal(place_bool(&a, "b", &flag, &has, &err), 0);
    assert_true(flag && has);
    assert_int_equal(place_i64(&a, "i", &i, NULL, &err), 0);
    assert_int_equal(i, -3);
    assert_int_equal(place_u64(&a, "u", &u, NULL, &err), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(place_texts(&a, "l", &list, arena, &err), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[1], "q");
    assert_null(list.items[2]);
}

static void what_is_absent_or_null_is_no_error(void **state UNUSED)
{
    struct place top = read_text("{\"n\": null}"), n = place_member(&top, "n");
    struct place deep = place_member(&n, "deeper");
    const char *text = "before";
    bool has = true;
    int64_t i = 7;
    struct strs list;
    size_t count;

    assert_int_equal(place_text(&deep, "t", &text, &err), 0);
    assert_null(text);
    assert_int_equal(place_i64(&n, "i", &i, &has, &err), 0);
    assert_int_equal(i, 0);
    assert_false(has);
    assert_int_equal(place_texts(&top, "n", &list, arena, &err), 0);
    assert_int_equal(list.count, 0);
    assert_int_equal(place_count(&deep, &count, &err), 0);
    assert_int_equal(count, 0);
}

static void an_error_names_the_way(void **state UNUSED)
{
    struct place top = read_text("{\"linux\": {\"namespaces\": [{\"type\": 5}], \"memory\": [], \"n\": -1,"
                                 "\"big\": 4294967296}}");
    struct place linux_ = place_member(&top, "linux"), list = place_member(&linux_, "namespaces");
    struct place first = place_element(&list, 0), memory = place_member(&linux_, "memory");
    const char *text;
    uint64_t u;
    uint32_t small;

    assert_int_equal(place_text(&first, "type", &text, &err), -1);
    assert_string_equal(err.text, "linux.namespaces[0].type: is 5, must be a string");
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    assert_int_equal(place_u64(&memory, "limit", &u, NULL, &err), -1);
    assert_string_equal(err.text, "linux.memory: is an array, must be an object");
    assert_int_equal(place_u64(&linux_, "n", &u, NULL, &err), -1);
    assert_string_equal(err.text, "linux.n: is -1, must be a whole number, not below 0");
    assert_int_equal(place_u32(&linux_, "big", &small, NULL, &err), -1);
    assert_string_equal(err.text, "linux.big: is 4294967296, must be a whole number of at most 4294967295");
    assert_int_equal(place_needs(&linux_, "gone", &err), -1);
    assert_string_equal(err.text, "linux.gone: is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_absent_or_null_is_no_error, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_names_the_way, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
