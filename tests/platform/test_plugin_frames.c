/* Messages out of bytes, and words out of answers: what a gRPC server sends, without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "platform/linux/plugin/grpc.h"
#include "platform/linux/plugin/grpc_frames.h"
#include "platform/scope.h"

static struct error err;

static void fails(int result, enum error_code code, const char *words)
{
    assert_int_equal(result, -1);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, words));
}

static void every_status_has_its_code(void **state)
{
    static const enum error_code codes[] = {
        ERROR_CANCELLED,
        ERROR_UNKNOWN,
        ERROR_INVALID_ARGUMENT,
        ERROR_DEADLINE_EXCEEDED,
        ERROR_NOT_FOUND,
        ERROR_ALREADY_EXISTS,
        ERROR_PERMISSION_DENIED,
        ERROR_RESOURCE_EXHAUSTED,
        ERROR_FAILED_PRECONDITION,
        ERROR_ABORTED,
        ERROR_OUT_OF_RANGE,
        ERROR_UNIMPLEMENTED,
        ERROR_INTERNAL,
        ERROR_UNAVAILABLE,
        ERROR_DATA_LOSS,
        ERROR_UNAUTHENTICATED,
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(codes); i++)
        assert_int_equal(grpc_code(i + 1), codes[i]);
    assert_int_equal(grpc_code(17), ERROR_UNKNOWN);
    assert_int_equal(grpc_code(0), ERROR_NONE);
}

static void words_of_a_server_are_made_fit_to_be_shown(void **state)
{
    static const struct {
        const char *from, *to;
    } words[] = {
        { "snapshot a: not found", "snapshot a" },
        { "a: failed precondition: unknown", "a" },
        { "not found", "not found" },
        { "gr%C3%B6%C3%9Fe 100%25", "gr\xc3\xb6\xc3\x9f"
                                    "e 100%" },
        { "%1b[31mred%0a", " [31mred" },
        { "100% sure %zz", "100% sure %zz" },
        { "half %C3", "half ?" },
        { "", "" },
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        grpc_text(words[i].from, text, sizeof(text));
        assert_string_equal(text, words[i].to);
    }
}

/* ---- frames ----------------------------------------------------------------------------- */

static int take_length(void *ctx, const void *message, size_t size, struct error *unused)
{
    (void)message, (void)unused;
    *(size_t *)ctx += size;
    return 0;
}

static void a_message_may_come_in_any_portions(void **state)
{
    char bytes[3 * FRAME_PREFIX + 0 + 7 + 300] = { 0 };
    const size_t first = 7, second = 0, third = 300;

    (void)state;
    frame_prefix((unsigned char *)bytes, first);
    frame_prefix((unsigned char *)bytes + FRAME_PREFIX + first, second);
    frame_prefix((unsigned char *)bytes + 2 * FRAME_PREFIX + first + second, third);
    for (size_t portion = 1; portion <= sizeof(bytes); portion++) {
        size_t total = 0;
        struct frames frames = { .take = take_length, .ctx = &total };

        for (size_t at = 0; at < sizeof(bytes); at += portion) {
            size_t size = sizeof(bytes) - at < portion ? sizeof(bytes) - at : portion;

            assert_int_equal(frames_add(&frames, bytes + at, size, &err), 0);
        }
        assert_int_equal(frames.count, 3);
        assert_int_equal(total, first + second + third);
        assert_true(frames_are_whole(&frames));
        frames_free(&frames);
    }
}

static void a_length_alone_takes_no_memory(void **state)
{
    static const unsigned char huge[] = { 0, 0xff, 0xff, 0xff, 0xff }, packed[] = { 1, 0, 0, 0, 1 },
                               most[] = { 0, 1, 0, 0, 0 };
    size_t total = 0;
    struct frames frames = { .take = take_length, .ctx = &total };

    (void)state;
    fails(frames_add(&frames, huge, sizeof(huge), &err), ERROR_RESOURCE_EXHAUSTED, "4294967295");
    frames = (struct frames){ .take = take_length, .ctx = &total };
    fails(frames_add(&frames, packed, sizeof(packed), &err), ERROR_UNIMPLEMENTED, "compressed");
    frames = (struct frames){ .take = take_length, .ctx = &total };
    assert_int_equal(frames_add(&frames, most, sizeof(most), &err), 0);
    assert_int_equal(frames.message.room, 0);
    assert_false(frames_are_whole(&frames));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_code),
        cmocka_unit_test(words_of_a_server_are_made_fit_to_be_shown),
        cmocka_unit_test(a_message_may_come_in_any_portions),
        cmocka_unit_test(a_length_alone_takes_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
