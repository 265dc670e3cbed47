/* What lies in a tree, written down, and what was changed since. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/inventory.h"

static char root[64], folder[80], file[80], said[20000];
static unsigned asked, allowed;

static int go_on(void *ctx, struct error *err)
{
    (void)ctx;
    return ++asked > allowed ? error_set(err, ERROR_CANCELLED, "enough") : 0;
}
static const struct inventory_pace pace = { go_on, NULL };

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/test_inventory.XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(folder, sizeof(folder), "%s/tree", root);
    snprintf(file, sizeof(file), "%s/file", root);
    asked = 0;
    allowed = 1000000;
    return 0;
}

static void shell(const char *what)
{
    char command[1000];

    snprintf(command, sizeof(command), "mkdir -p %s && cd %s && { %s; }", folder, folder, what);
    assert_int_equal(system(command), 0);
}

static int teardown(void **state)
{
    struct error err = { 0 };

    (void)state;
    return fs_remove_tree(root, &err);
}

static int note(void *ctx, const char *path, const char *problem, struct error *err)
{
    (void)ctx, (void)err;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s %s\n", path, problem);
    return 0;
}

static void take(void)
{
    struct error err = { 0 };

    if (inventory_take(folder, file, &pace, &err) < 0)
        fail_msg("%s", err.text);
}

static const char *compare(void)
{
    struct error err = { 0 };

    said[0] = '\0';
    if (inventory_compare(folder, file, &pace, note, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return said;
}

static enum error_code compare_code(void)
{
    struct error err = { 0 };

    return inventory_compare(folder, file, &pace, note, NULL, &err) < 0 ? err.code : ERROR_NONE;
}

#define TREE                                                                                          \
    "mkdir -p a/b c 'a b' && echo one >a/one && echo two >a/b/two && echo three >a.txt && ln a/one c/link &&" \
    " ln -s one a/soft && mkfifo c/pipe && : >empty && mkdir nothing"

static void what_was_not_touched_has_no_difference(void **state)
{
    (void)state;
    shell(TREE);
    take();
    assert_string_equal(compare(), "");
    shell("touch a nothing"); /* the times of folders are not judged */
    assert_string_equal(compare(), "");
}

static void everything_that_was_changed_is_named(void **state)
{
    (void)state;
    shell(TREE);
    take();
    shell("t=$(stat -c %y a/b/two) && echo TWO >a/b/two && touch -d \"$t\" a/b/two");
    assert_string_equal(compare(), "a/b/two has other bytes\n");
    shell("rm -r a/b && echo new >a/new && chmod 600 empty && ln -sfn two a/soft && rmdir nothing && touch nothing");
    assert_string_equal(compare(), "a/b is missing\n"
                                   "a/b/two is missing\n"
                                   "a/new was not there\n"
                                   "a/soft has another mode, owner, time, link or attribute\n"
                                   "empty has another mode, owner, time, link or attribute\n"
                                   "nothing is something else\n");
}

static void the_top_folder_and_hard_links_are_judged_as_well(void **state)
{
    (void)state;
    shell(TREE);
    take();
    shell("chmod 700 . && rm c/link && cp -p a/one c/link");
    assert_string_equal(compare(), ". has another mode, owner, time, link or attribute\n"
                                   "a/one has another mode, owner, time, link or attribute\n"
                                   "c/link has another mode, owner, time, link or attribute\n");
}

static void names_that_sort_around_a_slash_are_told_apart(void **state)
{
    (void)state;
    shell("mkdir -p a a- a.d && touch a/z a-/z a.d/z 'a!' a0 $(printf 'a\\001')");
    take();
    assert_string_equal(compare(), "");
    shell("rm 'a!' a/z && touch a-/y");
    assert_string_equal(compare(), "a/z is missing\na! is missing\na-/y was not there\n");
}

static void an_empty_tree_and_one_that_is_gone(void **state)
{
    (void)state;
    shell("true");
    take();
    assert_string_equal(compare(), "");
    shell("cd .. && rmdir tree");
    assert_int_equal(compare_code(), ERROR_NOT_FOUND);
}

static void a_damaged_inventory_is_not_believed(void **state)
{
    (void)state;
    shell(TREE);
    assert_int_equal(compare_code(), ERROR_NOT_FOUND);
    take();
    shell("printf x | dd of=../file bs=1 seek=40 conv=notrunc status=none");
    assert_int_equal(compare_code(), ERROR_DATA_LOSS);
    take();
    shell("truncate -s -1 ../file");
    assert_int_equal(compare_code(), ERROR_DATA_LOSS);
    shell(": >../file");
    assert_int_equal(compare_code(), ERROR_DATA_LOSS);
}

static void it_ends_when_it_is_told_to(void **state)
{
    struct error err = { 0 };

    (void)state;
    shell(TREE);
    take();
    asked = 0;
    allowed = 3;
    assert_int_equal(compare_code(), ERROR_CANCELLED);
    asked = 0;
    assert_int_equal(inventory_take(folder, file, &pace, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    allowed = 1000000;
    assert_string_equal(compare(), ""); /* the old one is there still */
}

static void a_deep_tree_has_an_inventory(void **state)
{
    (void)state;
    shell("for i in $(seq 100); do mkdir a_rather_long_name_of_a_folder && cd a_rather_long_name_of_a_folder; done; echo >deep");
    take();
    assert_string_equal(compare(), "");
    shell("cd a_rather_long_name_of_a_folder && touch new");
    assert_string_equal(compare(), "a_rather_long_name_of_a_folder/new was not there\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_not_touched_has_no_difference, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_that_was_changed_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(the_top_folder_and_hard_links_are_judged_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_sort_around_a_slash_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_tree_and_one_that_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_inventory_is_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(it_ends_when_it_is_told_to, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deep_tree_has_an_inventory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
