/* Taking the command line apart, and finding what was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/gantry/command.h"

#define WORDS(...) ((char *[]){ __VA_ARGS__, NULL })

static struct arena *arena;
static struct args args;
static struct error err;

static const struct command *command_of(const char *name)
{
    for (const struct command *at = commands; at->name != NULL; at++)
        if (strcmp(at->name, name) == 0)
            return at;
    fail_msg("no command %s", name);
    return NULL;
}

static int parse(const char *name, char **words)
{
    int count = 0;

    while (words[count] != NULL)
        count++;
    err = (struct error){ 0 };
    return args_parse(name != NULL ? command_of(name) : NULL, count, words, arena, &args, &err);
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void letters_may_be_combined(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("-it", "--rm", "busybox")), 0);
    assert_true(args_flag(&args, "interactive"));
    assert_true(args_flag(&args, "tty"));
    assert_true(args_flag(&args, "rm"));
    assert_false(args_flag(&args, "detach"));
    assert_int_equal(args.operands.count, 1);
}

static void a_value_may_stand_in_the_word_or_behind_it(void **state)
{
    struct strs env;

    (void)state;
    assert_int_equal(
        parse("run", WORDS("-eA=1", "-e", "B=2", "--env=C=3", "--env", "D", "-ite=E", "b")), 0);
    env = args_list(&args, "env", arena);
    assert_int_equal(env.count, 5);
    assert_string_equal(env.items[0], "A=1");
    assert_string_equal(env.items[1], "B=2");
    assert_string_equal(env.items[2], "C=3");
    assert_string_equal(env.items[3], "D");
    assert_string_equal(env.items[4], "E");
}

static void options_of_run_end_at_the_image(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("--name", "a", "busybox", "ls", "-l", "--rm", "--", "x")),
                     0);
    assert_false(args_flag(&args, "rm"));
    assert_string_equal(args_text(&args, "name"), "a");
    assert_int_equal(args.operands.count, 6);
    assert_string_equal(args.operands.items[2], "-l");
    assert_string_equal(args.operands.items[4], "--");
}

static void options_of_ps_may_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(parse("rm", WORDS("a", "-f", "b")), 0);
    assert_true(args_flag(&args, "force"));
    assert_int_equal(args.operands.count, 2);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("rm", WORDS("--", "-f")), 0);
    assert_false(args_flag(&args, "force"));
    assert_string_equal(args.operands.items[0], "-f");
}

static void a_flag_may_be_switched_off(void **state)
{
    (void)state;
    assert_int_equal(parse("events", WORDS("--follow=false")), 0);
    assert_true(args_has(&args, "follow"));
    assert_false(args_flag(&args, "follow"));
    assert_int_equal(parse("events", WORDS("--follow=maybe")), -1);
    assert_non_null(strstr(err.text, "maybe"));
}

static void the_last_value_counts(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("--name", "a", "--name=b", "--rm", "--rm=false", "i")), 0);
    assert_string_equal(args_text(&args, "name"), "b");
    assert_false(args_flag(&args, "rm"));
}

static void an_unknown_option_is_named_with_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("--memmory=1g", "i")), -1);
    assert_non_null(strstr(err.text, "--memmory"));
    assert_string_equal(err.hint, "did you mean --memory?");
    assert_int_equal(parse("run", WORDS("-itz", "i")), -1);
    assert_non_null(strstr(err.text, "-z"));
}

static void a_missing_value_is_said(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("--name")), -1);
    assert_string_equal(err.text, "--name needs a value (NAME)");
    assert_int_equal(parse("run", WORDS("-e")), -1);
}

static void missing_and_surplus_operands_are_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("-d")), -1);
    assert_non_null(strstr(err.text, "IMAGE"));
    assert_int_equal(parse("tag", WORDS("a", "b", "c")), -1);
    assert_non_null(strstr(err.text, "'c'"));
    assert_int_equal(parse("tag", WORDS("--help")), 0);
}

static void what_does_not_exist_yet_is_refused_with_the_reason(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("-p", "80:80", "i")), -1);
    assert_int_equal(err.code, ERROR_UNIMPLEMENTED);
    assert_non_null(strstr(err.text, "network"));
    assert_int_equal(parse("run", WORDS("--init", "i")), -1);
    assert_int_equal(parse("run", WORDS("--restart=always", "i")), -1);
}

static void global_options_stand_before_and_behind_the_command(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL, WORDS("-n", "ns", "ps", "-a")), 0);
    assert_string_equal(args_text(&args, "namespace"), "ns");
    assert_int_equal(args.operands.count, 2);
    assert_int_equal(parse("ps", WORDS("-a", "--format", "json")), 0);
    assert_string_equal(args_text(&args, "format"), "json");
}

static void the_commands_own_letters_come_first(void **state)
{
    (void)state;
    assert_int_equal(parse("run", WORDS("-h", "box", "i")), 0);
    assert_string_equal(args_text(&args, "hostname"), "box");
    assert_int_equal(parse("logs", WORDS("-n", "5", "c")), 0);
    assert_string_equal(args_text(&args, "tail"), "5");
    assert_false(args_has(&args, "namespace"));
}

static void values_with_a_form_are_checked(void **state)
{
    uint64_t size = 0, number = 0;
    int64_t sign = 0;
    double cpus = 0;

    (void)state;
    assert_int_equal(
        parse("run", WORDS("-m", "64m", "--cpus=1.5", "--pids-limit", "-1", "--cpu-shares=7", "i")),
        0);
    assert_int_equal(args_size(&args, "memory", &size, &err), 1);
    assert_int_equal(size, 64 << 20);
    assert_int_equal(args_f64(&args, "cpus", &cpus, &err), 1);
    assert_true(cpus == 1.5);
    assert_int_equal(args_i64(&args, "pids-limit", &sign, &err), 1);
    assert_int_equal(sign, -1);
    assert_int_equal(args_u64(&args, "cpu-shares", &number, &err), 1);
    assert_int_equal(number, 7);
    assert_int_equal(args_size(&args, "shm-size", &size, &err), 0);
    assert_int_equal(
        parse("run", WORDS("-m", "lots", "--cpus=x", "--cpu-shares=-1", "--pids-limit=1x", "i")),
        0);
    assert_int_equal(args_size(&args, "memory", &size, &err), -1);
    assert_non_null(strstr(err.text, "lots"));
    assert_int_equal(args_f64(&args, "cpus", &cpus, &err), -1);
    assert_int_equal(args_u64(&args, "cpu-shares", &number, &err), -1);
    assert_int_equal(args_i64(&args, "pids-limit", &sign, &err), -1);
}

static const struct command *find(char **words, int *left)
{
    *left = 0;
    while (words[*left] != NULL)
        (*left)++;
    err = (struct error){ 0 };
    return command_find(left, &words, &err);
}

static void commands_of_one_and_two_words_are_found(void **state)
{
    const struct command *found;
    int left;

    (void)state;
    found = find(WORDS("ps", "-a"), &left);
    assert_string_equal(found->name, "ps");
    assert_int_equal(left, 1);
    found = find(WORDS("namespace", "rm", "x"), &left);
    assert_string_equal(found->name, "namespace rm");
    assert_int_equal(left, 1);
}

static void an_unknown_command_is_named_with_the_nearest(void **state)
{
    int left;

    (void)state;
    assert_null(find(WORDS("imags"), &left));
    assert_string_equal(err.hint, "did you mean gantry images?");
    assert_null(find(WORDS("xyzzyx"), &left));
    assert_string_equal(err.hint, "see gantry help");
    assert_null(find(WORDS("namespace"), &left));
    assert_non_null(strstr(err.text, "ls, create, inspect, label, rm"));
    assert_null(find(WORDS("namespace", "del"), &left));
    assert_non_null(strstr(err.text, "'del'"));
    assert_null(
        find(WORDS("name"), &left)); /* hidden ones are not suggested, nor groups found by a part */
}

/* Rows that contradict themselves would only show when somebody types them. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (const struct command *at = commands; at->name != NULL; at++) {
        assert_non_null(at->run);
        assert_non_null(at->doc);
        assert_non_null(at->operands);
        assert_true(at->most < 0 || at->least <= at->most);
        for (const struct option *a = at->options; a != NULL && a->name != NULL; a++) {
            assert_true((a->kind == OPTION_FLAG) == (a->value == NULL) ||
                        a->kind == OPTION_REFUSED);
            for (const struct option *b = a + 1; b->name != NULL; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
        }
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(letters_may_be_combined),
        T(a_value_may_stand_in_the_word_or_behind_it),
        T(options_of_run_end_at_the_image),
        T(options_of_ps_may_stand_anywhere),
        T(two_dashes_end_the_options),
        T(a_flag_may_be_switched_off),
        T(the_last_value_counts),
        T(an_unknown_option_is_named_with_the_nearest),
        T(a_missing_value_is_said),
        T(missing_and_surplus_operands_are_refused),
        T(what_does_not_exist_yet_is_refused_with_the_reason),
        T(global_options_stand_before_and_behind_the_command),
        T(the_commands_own_letters_come_first),
        T(values_with_a_form_are_checked),
        T(commands_of_one_and_two_words_are_found),
        T(an_unknown_command_is_named_with_the_nearest),
        T(the_table_is_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
