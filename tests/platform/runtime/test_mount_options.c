/* Words of mounts, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "platform/linux/runtime/mount_options.h"
#include "platform/scope.h"

static struct arena *arena;
static struct mount_options options;

static int setup(void **state UNUSED)
{
    arena = arena_new();
    return 0;
}

static int teardown(void **state UNUSED)
{
    arena_drop(&arena);
    return 0;
}

#define READ(...)                                                              \
    do {                                                                       \
        const char *words[] = { __VA_ARGS__ };                                 \
        struct strs list = { COUNT_OF(words), words };                         \
        struct error err;                                                      \
                                                                               \
        assert_int_equal(mount_options_read(&list, &options, arena, &err), 0); \
    } while (0)

static void a_later_word_wins(void **state UNUSED)
{
    READ("ro", "nosuid", "noatime", "rw", "relatime");
    assert_int_equal(options.own.set, MOUNT_ATTR_NOSUID);
    assert_int_equal(options.own.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
    READ("rw", "ro", "atime", "strictatime");
    assert_int_equal(options.own.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_STRICTATIME);
    assert_int_equal(options.own.clear & MOUNT_ATTR_RDONLY, 0);
}

static void unknown_words_are_the_file_systems(void **state UNUSED)
{
    READ("mode=755,size=1m", "newinstance", "rbind", "lowerdir=a\\,b:c",
         "context=\"s:c0,c1\",x=", "sync");
    assert_int_equal(options.data_count, 7);
    assert_string_equal(mount_data(&options, "mode"), "755");
    assert_string_equal(mount_data(&options, "size"), "1m");
    assert_null(options.data[2].value);
    assert_string_equal(mount_data(&options, "lowerdir"), "a\\,b:c");
    assert_string_equal(mount_data(&options, "context"), "s:c0,c1");
    assert_string_equal(mount_data(&options, "x"), "");
    assert_string_equal(options.data[6].key, "sync");
    assert_true(options.bind && options.bind_all);
}

static void propagation_keeps_its_order(void **state UNUSED)
{
    READ("rslave", "shared");
    assert_int_equal(options.propagation_count, 2);
    assert_int_equal(options.propagation[0].kind, MS_SLAVE);
    assert_true(options.propagation[0].recursive);
    assert_int_equal(options.propagation[1].kind, MS_SHARED);
    assert_false(options.propagation[1].recursive);
    assert_int_equal(mount_propagation_of("ro").kind, 0);
}

static void names_are_sorted(void **state UNUSED)
{
    const char *const *names;
    size_t count = mount_option_names(&names);

    assert_true(count > 60);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(names[i - 1], names[i]) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_later_word_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_words_are_the_file_systems, setup, teardown),
        cmocka_unit_test_setup_teardown(propagation_keeps_its_order, setup, teardown),
        cmocka_unit_test(names_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
