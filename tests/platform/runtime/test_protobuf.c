/* Messages for criu: what is written is what protobuf's own encoders write, and what is no message
   is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "platform/linux/runtime/protobuf.h"
#include "platform/scope.h"

static void assert_bytes(const struct buffer *message, const char *bytes, size_t size)
{
    assert_int_equal(message->size, size);
    assert_memory_equal(message->data, bytes, size);
}

/* The two examples of protobuf.dev, "Encoding". */
static void numbers_and_texts_are_written_as_the_specification_has_them(void **state UNUSED)
{
    CLEANUP(buffer_free) struct buffer number = { 0 };
    CLEANUP(buffer_free) struct buffer text = { 0 };

    proto_number(&number, 1, 150);
    assert_bytes(&number, "\x08\x96\x01", 3);
    proto_text(&text, 2, "testing");
    assert_bytes(&text, "\x12\x07testing", 9);
}

static void a_message_inside_is_read_back(void **state UNUSED)
{
    CLEANUP(buffer_free) struct buffer inner = { 0 };
    CLEANUP(buffer_free) struct buffer outer = { 0 };
    struct proto_field field;
    const char *at, *end;

    proto_number(&inner, 63, UINT64_MAX);
    proto_message(&outer, 2, &inner);
    proto_number(&outer, 3, 0);
    at = outer.data;
    end = at + outer.size;
    assert_int_equal(proto_next(&at, end, &field), 1);
    assert_int_equal(field.number, 2);
    assert_int_equal(field.size, inner.size);
    assert_memory_equal(field.bytes, inner.data, inner.size);
    assert_int_equal(proto_next(&at, end, &field), 1);
    assert_int_equal(field.number, 3);
    assert_null(field.bytes);
    assert_int_equal(field.value, 0);
    assert_int_equal(proto_next(&at, end, &field), 0);
    at = inner.data;
    assert_int_equal(proto_next(&at, at + inner.size, &field), 1);
    assert_int_equal(field.number, 63);
    assert_true(field.value == UINT64_MAX);
}

/* Fields of fixed size are none of ours, and are stepped over. */
static void unknown_kinds_of_fields_are_passed(void **state UNUSED)
{
    static const char bytes[] = "\x09"
                                "12345678"
                                "\x15"
                                "1234"
                                "\x18\x07";
    const char *at = bytes, *end = bytes + sizeof(bytes) - 1;
    struct proto_field field;

    assert_int_equal(proto_next(&at, end, &field), 1);
    assert_int_equal(proto_next(&at, end, &field), 1);
    assert_int_equal(proto_next(&at, end, &field), 1);
    assert_int_equal(field.number, 3);
    assert_int_equal(field.value, 7);
}

static void what_is_no_message_is_refused(void **state UNUSED)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
        { "\x08", 1 },                                             /* no value */
        { "\x08\x80\x80", 3 },                                     /* it goes on */
        { "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12 }, /* and on */
        { "\x12\x05test", 6 },                                     /* longer than the message */
        { "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },    /* far longer */
        { "\x09test", 5 },
        { "\x00\x00", 2 }, /* field 0 */
        { "\x0b", 1 },     /* a group */
        { "\x0f", 1 },     /* no kind */
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *at = wrong[i].bytes;
        struct proto_field field;

        assert_int_equal(proto_next(&at, wrong[i].bytes + wrong[i].size, &field), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_texts_are_written_as_the_specification_has_them),
        cmocka_unit_test(a_message_inside_is_read_back),
        cmocka_unit_test(unknown_kinds_of_fields_are_passed),
        cmocka_unit_test(what_is_no_message_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
