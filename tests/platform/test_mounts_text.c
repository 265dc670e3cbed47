/* A list of mounts as one argument: what is written is read again, and what is cut off is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/linux/mounts_text.h"
#include "platform/scope.h"

static void what_is_written_is_read_again(void **state)
{
    static const char *words[] = { "lowerdir=/a b:/c\n,\"d", "", "rw" };
    struct mount mounts[] = {
        { .type = "overlay", .source = "overlay", .options = { 3, words } },
        { .type = "bind", .source = "/x", .target = "/y" },
    };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list list = { 2, mounts }, back = { 0 };
    const struct mount *items;
    struct error err = { 0 };

    (void)state;
    assert_int_equal(
        mounts_from_text(mounts_to_text(&list, arena, &err), &back, arena, &err), 0);
    items = back.items;
    assert_int_equal(back.count, 2);
    assert_string_equal(items[0].type, "overlay");
    assert_null(items[0].target);
    assert_int_equal(items[0].options.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(items[0].options.items[i], words[i]);
    assert_string_equal(items[1].source, "/x");
    assert_string_equal(items[1].target, "/y");
    assert_int_equal(items[1].options.count, 0);
}

static void nothing_is_an_empty_text(void **state)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list none = { 0 }, back = { 7, NULL };
    struct error err = { 0 };

    (void)state;
    assert_string_equal(mounts_to_text(&none, arena, &err), "");
    assert_int_equal(mounts_from_text("", &back, arena, &err), 0);
    assert_int_equal(back.count, 0);
}

static void a_word_with_a_separator_is_refused(void **state)
{
    static const char *words[] = { "a\x1e" };
    struct mount mount = { .type = "bind", .options = { 1, words } };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list list = { 1, &mount };
    struct error err = { 0 };

    (void)state;
    assert_null(mounts_to_text(&list, arena, &err));
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
}

static void what_is_cut_off_is_refused(void **state)
{
    static const char whole[] = "bind\x1f/x\x1f/y\x1frw\x1f\x1e";
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list back;
    struct error err = { 0 };

    (void)state;
    assert_int_equal(mounts_from_text(whole, &back, arena, &err), 0);
    for (size_t length = 1; length < sizeof(whole) - 1; length++)
        assert_int_equal(mounts_from_text(arena_printf(arena, "%.*s", (int)length, whole), &back,
                                          arena, &err),
                         -1);
    assert_int_equal(mounts_from_text("\x1e", &back, arena, &err), -1);
    assert_int_equal(mounts_from_text("bind\x1f/x\x1f\x1e", &back, arena, &err), -1);
    assert_int_equal(mounts_from_text("bind\x1f/x\x1f/yrw\x1e", &back, arena, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(nothing_is_an_empty_text),
        cmocka_unit_test(a_word_with_a_separator_is_refused),
        cmocka_unit_test(what_is_cut_off_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
