/* The words of a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/linux/runtime/options.h"
#include "platform/scope.h"

static const struct option_row rows[] = {
    { "bundle", "b", OPTION_TEXT, OPTION_AT(bundle), "" },
    { "detach", "d", OPTION_FLAG, OPTION_AT(detach), "" },
    { "tty", "t", OPTION_FLAG, OPTION_AT(tty), "" },
    { "preserve-fds", NULL, OPTION_NUMBER, OPTION_AT(preserve_fds), "" },
    { "env", "e", OPTION_LIST, OPTION_AT(env), "" },
    { NULL, NULL, OPTION_FLAG, 0, NULL },
};

static struct options options;
static struct error err;

static int parse(bool in_order, const char *words)
{
    static char copy[512];
    static char *argv[32];
    char *save = NULL;
    int argc = 0;

    free(options.env.items);
    options = (struct options){ 0 };
    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    return options_parse(rows, argc, argv, in_order, &options, &err);
}

static void all_ways_to_write_a_value_are_known(void **state UNUSED)
{
    static const char *const ways[] = { "-b x",       "--b x",      "-bundle x",
                                        "--bundle x", "--bundle=x", "-b=x" };

    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        assert_int_equal(parse(false, ways[i]), 0);
        assert_string_equal(options.bundle, "x");
        assert_int_equal(options.argc, 0);
    }
}

static void options_may_stand_behind_arguments(void **state UNUSED)
{
    assert_int_equal(parse(false, "one -d two --preserve-fds 3"), 0);
    assert_int_equal(options.argc, 2);
    assert_string_equal(options.argv[0], "one");
    assert_string_equal(options.argv[1], "two");
    assert_true(options.detach);
    assert_int_equal(options.preserve_fds, 3);
}

static void a_command_keeps_its_own_options(void **state UNUSED)
{
    assert_int_equal(parse(true, "-t id ls -d"), 0);
    assert_true(options.tty);
    assert_false(options.detach);
    assert_int_equal(options.argc, 3);
    assert_string_equal(options.argv[2], "-d");
}

static void two_dashes_end_the_options(void **state UNUSED)
{
    assert_int_equal(parse(false, "-d -- -t x"), 0);
    assert_false(options.tty);
    assert_int_equal(options.argc, 2);
    assert_string_equal(options.argv[0], "-t");
}

static void letters_may_be_written_together(void **state UNUSED)
{
    assert_int_equal(parse(true, "-td id"), 0);
    assert_true(options.tty && options.detach);
}

static void a_flag_may_be_given_a_value(void **state UNUSED)
{
    assert_int_equal(parse(false, "--detach=false --tty=true"), 0);
    assert_true(options.tty && !options.detach);
    assert_int_equal(parse(false, "--detach=maybe"), -1);
}

static void what_is_given_often_is_a_list(void **state UNUSED)
{
    assert_int_equal(parse(true, "-e A=1 --env B=2 -e=C=3 id"), 0);
    assert_int_equal(options.env.count, 3);
    assert_string_equal(options.env.items[2], "C=3");
}

static void what_is_not_known_is_named(void **state UNUSED)
{
    assert_int_equal(parse(false, "--foo"), -1);
    assert_string_equal(err.text, "flag provided but not defined: -foo");
    assert_int_equal(parse(false, "--bundle"), -1);
    assert_string_equal(err.text, "flag needs an argument: -bundle");
    assert_int_equal(parse(false, "--preserve-fds many"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_to_write_a_value_are_known),
        cmocka_unit_test(options_may_stand_behind_arguments),
        cmocka_unit_test(a_command_keeps_its_own_options),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(letters_may_be_written_together),
        cmocka_unit_test(a_flag_may_be_given_a_value),
        cmocka_unit_test(what_is_given_often_is_a_list),
        cmocka_unit_test(what_is_not_known_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
