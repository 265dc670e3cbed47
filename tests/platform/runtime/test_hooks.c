/* Hooks: what they are given, and what they may do to us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "document.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/scope.h"

static struct place place;

static int run(const char *list, const char *fill)
{
    json_t *about = draft_object();
    char text[1024];
    int result;

    snprintf(text, sizeof(text), "{\"hooks\": {\"poststop\": [%s]}}", list);
    place = document_of(text);
    draft_put(about, "id", draft_text(fill));
    result = hooks_check(&place, &err);
    if (result == 0)
        result = hooks_run(&place, HOOK_POSTSTOP, about, false, &err);
    json_decref(about);
    return result;
}

#define SHELL(script) "{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \"" script "\"]}"

static void a_hook_reads_the_state(void **state UNUSED)
{
    assert_int_equal(run(SHELL("read line; [ \\\"$line\\\" = '{\\\"id\\\":\\\"x\\\"}' ]"), "x"), 0);
}

static void what_a_failing_hook_says_is_told(void **state UNUSED)
{
    assert_int_equal(run(SHELL("exit 0") "," SHELL("echo bad luck; exit 3"), "x"), -1);
    assert_string_equal(err.text,
                        "error running poststop hook #1: exit status 3, output: bad luck\n");
}

static void a_hook_may_ignore_the_state(void **state UNUSED)
{
    static char large[900000];

    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(run(SHELL("exec <&-; exit 0"), large), 0);
    assert_int_equal(run(SHELL("exit 0"), large), 0);
    assert_int_equal(run(SHELL("cat | wc -c | grep -q 900008"), large), 0);
}

static void a_hook_may_say_much_and_leave_somebody_behind(void **state UNUSED)
{
    assert_int_equal(run(SHELL("yes | head -c 1000000; sleep 3 & exit 0"), "x"), 0);
}

static void a_hook_that_takes_too_long_is_killed(void **state UNUSED)
{
    assert_int_equal(
        run("{\"path\": \"/bin/sleep\", \"args\": [\"sleep\", \"60\"], \"timeout\": 1}", "x"), -1);
    assert_non_null(strstr(err.text, "timeout of 1.0s"));
}

static void its_environment_is_what_is_said(void **state UNUSED)
{
    assert_int_equal(run("{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \"[ $A = b ]\"],"
                         "\"env\": [\"A=b\"]}",
                         "x"),
                     0);
}

static void what_is_no_hook_is_refused(void **state UNUSED)
{
    static const char *const wrong[] = { "{}",
                                         "{\"path\": \"true\"}",
                                         "{\"path\": \"/bin/true\", \"timeout\": 0}",
                                         "{\"path\": \"/bin/true\", \"timeout\": -1}",
                                         "{\"path\": \"/bin/true\", \"args\": [1]}",
                                         "{\"path\": 1}" };

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(run(wrong[i], "x"), -1);
    assert_int_equal(run("{\"path\": \"/nowhere/to/be/found\"}", "x"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_reads_the_state),
        cmocka_unit_test(what_a_failing_hook_says_is_told),
        cmocka_unit_test(a_hook_may_ignore_the_state),
        cmocka_unit_test(a_hook_may_say_much_and_leave_somebody_behind),
        cmocka_unit_test(a_hook_that_takes_too_long_is_killed),
        cmocka_unit_test(its_environment_is_what_is_said),
        cmocka_unit_test(what_is_no_hook_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
