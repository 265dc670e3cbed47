/* test_scopes — sets of scopes: order and repetition mean nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "actors/images/registry/form.h"
#include "actors/images/registry/scopes.h"

static void the_same_set_is_the_same_text(void **state)
{
    char out[SCOPES_SIZE];

    (void)state;
    assert_true(scopes_sort("", out));
    assert_string_equal(out, "");
    assert_true(scopes_sort("  b  a b\tab ", out));
    assert_string_equal(out, "a ab b");
    assert_true(scopes_sort("ab b a", out));
    assert_string_equal(out, "a ab b");
}

static void too_many_or_too_long_scopes_are_refused(void **state)
{
    char text[2000], out[SCOPES_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_false(scopes_sort(text, out));
    for (size_t i = 1; i < sizeof(text) - 1; i += 2)
        text[i] = ' ';
    assert_false(scopes_sort(text, out));
    text[2 * SCOPES_MAX] = '\0';
    assert_true(scopes_sort(text, out));
    assert_string_equal(out, "x");
}

static void a_form_holds_any_byte_and_knows_when_it_is_full(void **state)
{
    static char large[FORM_SIZE];
    struct form form;

    (void)state;
    form_open(&form);
    form_add(&form, "a", "x y&=%\xc3\xa4\n-._~");
    form_add(&form, "b", "");
    assert_string_equal(form.text, "a=x%20y%26%3D%25%C3%A4%0A-._~&b=");
    assert_false(form.full);
    memset(large, '&', sizeof(large) - 1);
    form_add(&form, "c", large);
    assert_true(form.full);
    form_drop(&form);
    assert_null(form.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_set_is_the_same_text),
        cmocka_unit_test(too_many_or_too_long_scopes_are_refused),
        cmocka_unit_test(a_form_holds_any_byte_and_knows_when_it_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
