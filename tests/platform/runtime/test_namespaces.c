/* Which namespaces a document asks for. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "document.h"
#include "platform/linux/runtime/namespaces.h"
#include "platform/scope.h"

static struct namespaces spaces;

static int read_list(const char *text)
{
    struct place place = document_of(text);

    namespaces_close(&spaces);
    spaces = (struct namespaces)NAMESPACES_NONE;
    return namespaces_read(&spaces, &place, &err);
}

static void new_ones_are_made(void **state UNUSED)
{
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"time\"}]}"), 0);
    assert_int_equal(spaces.made, CLONE_NEWPID | 0x80);
    assert_int_equal(spaces.joined, 0);
}

static void our_own_at_a_path_is_neither_made_nor_joined(void **state UNUSED)
{
    assert_int_equal(
        read_list("{\"namespaces\": [{\"type\": \"network\", \"path\": \"/proc/self/ns/net\"}]}"),
        0);
    assert_int_equal(spaces.made | spaces.joined, 0);
}

static void the_wrong_type_is_refused(void **state UNUSED)
{
    assert_int_equal(
        read_list("{\"namespaces\": [{\"type\": \"network\", \"path\": \"/proc/self/ns/uts\"}]}"),
        -1);
    assert_string_equal(err.text,
                        "namespaces[0].path: /proc/self/ns/uts is a namespace of type uts, "
                        "not network");
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"ipc\", \"path\": \"/dev/null\"}]}"),
                     -1);
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"ipc\", \"path\": \"dev/null\"}]}"),
                     -1);
}

static void twice_is_once_too_often(void **state UNUSED)
{
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"pid\"}]}"), -1);
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"process\"}]}"), -1);
    assert_int_equal(read_list("{\"namespaces\": [{\"path\": \"/proc/self/ns/net\"}]}"), -1);
}

static void offsets_are_for_a_new_time_namespace(void **state UNUSED)
{
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"time\"}],"
                               "\"timeOffsets\": {\"boottime\": {\"secs\": -5, \"nanosecs\": 7}}}"),
                     0);
    assert_string_equal(spaces.offsets, "boottime -5 7\n");
    assert_int_equal(read_list("{\"timeOffsets\": {\"boottime\": {\"secs\": 5}}}"), -1);
    assert_int_equal(read_list("{\"namespaces\": [{\"type\": \"time\"}],"
                               "\"timeOffsets\": {\"realtime\": {\"secs\": 5}}}"),
                     -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_ones_are_made),
        cmocka_unit_test(our_own_at_a_path_is_neither_made_nor_joined),
        cmocka_unit_test(the_wrong_type_is_refused),
        cmocka_unit_test(twice_is_once_too_often),
        cmocka_unit_test(offsets_are_for_a_new_time_namespace),
    };

    spaces = (struct namespaces)NAMESPACES_NONE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
