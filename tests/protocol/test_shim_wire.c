/* Packets between daemon and shim: the short form of data is an ordinary record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/shim_wire.h"

static size_t packet_make(char *packet, const char *stream, size_t size, bool is_last)
{
    size_t head = shim_data_head(stream, size, is_last, packet);

    assert_true(head <= SHIM_HEAD_MAX);
    memset(packet + head, 'x', size);
    return head + size;
}

static void the_short_form_is_the_record_it_stands_for(void **state)
{
    static const char *const streams[] = { "stdin", "stdout", "stderr" };
    static const size_t sizes[] = { 0, 1, 255, 256, 5000, SHIM_DATA_MAX };
    static char packet[SHIM_PACKET_MAX];
    struct shim_data quick, slow;
    struct error err;

    (void)state;
    for (size_t i = 0; i < 3 * 6 * 2; i++) {
        struct arena *arena = arena_new();
        size_t want = sizes[i / 3 % 6];
        size_t size = packet_make(packet, streams[i % 3], want, i / 18 == 1);

        assert_true(size <= SHIM_PACKET_MAX);
        assert_int_equal(shim_data_read(packet, size, &quick, arena, &err), 0);
        assert_int_equal(record_unpack(shim_data_record(), RECORD_STRICT, packet + 1, size - 1, &slow,
                                       arena, &err),
                         0);
        assert_string_equal(quick.stream, slow.stream);
        assert_int_equal(quick.bytes.size, want);
        assert_int_equal(slow.bytes.size, want);
        assert_true(want == 0 || memcmp(quick.bytes.data, slow.bytes.data, want) == 0);
        assert_int_equal(quick.end, slow.end);
        if (want > 0) /* where it came in */
            assert_ptr_equal(quick.bytes.data, packet + size - want);
        arena_free(arena);
    }
}

static void data_written_in_another_way_is_understood(void **state)
{
    static const char bytes[] = "some bytes";
    const struct shim_data data = { .stream = "stderr", .bytes = { bytes, 10 }, SET(end, true) };
    struct shim_data read;
    struct buffer packet = { 0 };
    struct arena *arena = arena_new();
    struct error err;

    (void)state;
    shim_packet_add(SHIM_DATA, &data, &packet);
    assert_int_equal(shim_data_read(packet.data, packet.size, &read, arena, &err), 0);
    assert_string_equal(read.stream, "stderr");
    assert_int_equal(read.bytes.size, 10);
    assert_memory_equal(read.bytes.data, bytes, 10);
    assert_true(read.end);
    buffer_free(&packet);
    arena_free(arena);
}

/* In memory of exactly that size, so that a sanitizer sees a step too far. */
static void a_cut_packet_is_refused_at_every_byte(void **state)
{
    char whole[SHIM_HEAD_MAX + 8];
    size_t size = packet_make(whole, "stdout", 8, true);
    struct arena *arena = arena_new();
    struct shim_data data;
    struct error err;

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        char *part = malloc(cut + 1); /* malloc(0) may be NULL */

        memcpy(part + 1, whole, cut);
        assert_int_equal(shim_data_read(part + 1, cut, &data, arena, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
        free(part);
    }
    arena_free(arena);
}

static void a_packet_that_lies_about_its_size_is_refused(void **state)
{
    char packet[SHIM_HEAD_MAX + 8];
    size_t size = packet_make(packet, "stdout", 8, false);
    struct arena *arena = arena_new();
    struct shim_data data;
    struct error err;

    (void)state;
    packet[size - 9]++; /* the low byte of the count */
    assert_int_equal(shim_data_read(packet, size, &data, arena, &err), -1);
    packet[size - 9] -= 2;
    assert_int_equal(shim_data_read(packet, size, &data, arena, &err), -1);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_short_form_is_the_record_it_stands_for),
        cmocka_unit_test(data_written_in_another_way_is_understood),
        cmocka_unit_test(a_cut_packet_is_refused_at_every_byte),
        cmocka_unit_test(a_packet_that_lies_about_its_size_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
