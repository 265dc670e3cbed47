/* The codec: every record survives the wire, and no bytes survive that are not a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

#include "protocol/json.h"
#include "protocol/schema.h"
#include "tests/protocol/random_record.h"

#define ROUNDS 40 /* of each record */

struct fixture {
    struct arena *arena;
    struct error err;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->arena = arena_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static void *unpacked(struct fixture *f, const struct record *record, enum record_mode mode,
                      const void *bytes, size_t size)
{
    void *out = arena_alloc(f->arena, record->size);
    char *exact = malloc(size); /* so that a sanitizer sees one byte too many */
    int result;

    f->err = (struct error){ 0 };
    if (size > 0)
        memcpy(exact, bytes, size);
    result = record_unpack(record, mode, exact, size, out, f->arena, &f->err);
    free(exact);
    if (result < 0)
        assert_true(f->err.code == ERROR_INVALID_ARGUMENT ||
                    f->err.code == ERROR_RESOURCE_EXHAUSTED);
    return result < 0 ? NULL : out;
}

static char *as_json(const struct record *record, const void *in)
{
    json_t *json = record_json(record, in);
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return text;
}

/* ---- what is a record ---------------------------------------------------------------- */

static void any_record_survives_the_wire(void **state)
{
    struct fixture *f = *state;
    unsigned first = random_seed(), seed = first;

    for (size_t i = 0; i < schema_record_count; i++)
        for (int round = 0; round < ROUNDS; round++) {
            const struct record *record = schema_records[i]();
            struct buffer wire = { 0 }, again = { 0 };
            void *in = arena_alloc(f->arena, record->size), *out;
            char *before, *after;

            random_record(record, in, &seed, f->arena);
            record_pack(record, in, &wire);
            out = unpacked(f, record, RECORD_STRICT, wire.data, wire.size);
            if (out == NULL)
                fail_msg("%s: %s (seed %u)", record->name, f->err.text, first);
            record_pack(record, out, &again);
            assert_int_equal(wire.size, again.size);
            assert_memory_equal(wire.data, again.data, wire.size);
            before = as_json(record, in);
            after = as_json(record, out);
            assert_string_equal(before, after);
            free(before);
            free(after);
            buffer_free(&wire);
            buffer_free(&again);
            tear_down(state);
            set_up(state);
            f = *state;
        }
}

static void a_copy_is_the_same_record(void **state)
{
    struct fixture *f = *state;
    const struct record *record = container_info_record();
    struct container_info in, out;
    struct arena *other = arena_new();
    unsigned seed = 9;
    char *before, *after;

    random_record(record, &in, &seed, f->arena);
    before = as_json(record, &in);
    record_copy(record, &in, &out, other);
    arena_free(f->arena);
    f->arena = arena_new();
    after = as_json(record, &out);
    assert_string_equal(before, after);
    free(before);
    free(after);
    arena_free(other);
}

static void no_record_has_more_fields_than_the_codec_takes(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_record_count; i++)
        assert_true(schema_records[i]()->field_count <= RECORD_FIELDS_MAX);
}

static void operations_and_records_have_names_of_their_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < schema_record_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(schema_records[i]()->name, schema_records[j]()->name);
    for (size_t i = 0; i < schema_op_count; i++) {
        assert_ptr_equal(schema_op_find(schema_ops[i]->name), schema_ops[i]);
        assert_non_null(strchr(schema_ops[i]->name, '.'));
    }
    assert_null(schema_op_find("content.nothing"));
    assert_null(schema_op_find(NULL));
}

/* ---- what is none ---------------------------------------------------------------------- */

static void fails(struct fixture *f, const struct record *record, enum record_mode mode,
                  const void *bytes, size_t size, const char *says)
{
    if (unpacked(f, record, mode, bytes, size) != NULL)
        fail_msg("%s passes", says);
    if (strstr(f->err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", f->err.text, says);
}

#define BYTES(literal) literal, sizeof(literal) - 1

static void cut_off_at_any_byte_it_is_refused(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 21;

    for (size_t i = 0; i < schema_record_count; i++) {
        const struct record *record = schema_records[i]();
        void *in = arena_alloc(f->arena, record->size);
        struct buffer wire = { 0 };

        random_record(record, in, &seed, f->arena);
        record_pack(record, in, &wire);
        for (size_t size = 0; size < wire.size && size < 2000; size++)
            if (unpacked(f, record, RECORD_LENIENT, wire.data, size) != NULL)
                fail_msg("%s passes with %zu of %zu bytes", record->name, size, wire.size);
        buffer_add(&wire, "\x80", 1);
        fails(f, record, RECORD_LENIENT, wire.data, wire.size, "after its end");
        buffer_free(&wire);
    }
}

static void random_bytes_are_refused_or_are_a_record(void **state)
{
    struct fixture *f = *state;
    unsigned first = random_seed(), seed = first;
    unsigned char bytes[64];

    for (int round = 0; round < 50000; round++) {
        const struct record *record = schema_records[random_below(schema_record_count, &seed)]();
        size_t size = random_below(sizeof(bytes), &seed);

        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)random_below(256, &seed);
        bytes[0] = (unsigned char)(0x80 | random_below(16, &seed));
        unpacked(f, record, round % 2 ? RECORD_STRICT : RECORD_LENIENT, bytes, size);
        if (round % 500 == 0) {
            tear_down(state);
            set_up(state);
            f = *state;
        }
    }
}

static void damaged_records_are_refused_or_are_a_record(void **state)
{
    struct fixture *f = *state;
    unsigned first = random_seed(), seed = first;

    for (int round = 0; round < 20000; round++) {
        const struct record *record = schema_records[random_below(schema_record_count, &seed)]();
        void *in = arena_alloc(f->arena, record->size), *out;
        struct buffer wire = { 0 };

        random_record(record, in, &seed, f->arena);
        record_pack(record, in, &wire);
        for (size_t i = random_below(3, &seed) + 1; i > 0; i--)
            wire.data[random_below(wire.size, &seed)] = (char)random_below(256, &seed);
        out = unpacked(f, record, RECORD_LENIENT, wire.data, wire.size);
        if (out != NULL)
            free(as_json(record, out));
        buffer_free(&wire);
        if (round % 50 == 0) {
            tear_down(state);
            set_up(state);
            f = *state;
        }
    }
}

static void counts_larger_than_the_message_are_refused_before_memory_is_taken(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } liars[] = {
        { BYTES("\xdd\x10\x00\x00\x00") },             /* an array of 268 million */
        { BYTES("\xdf\x7f\xff\xff\xff") },             /* a map of 2 billion */
        { BYTES("\xdf\xff\xff\xff\xff\xa1\x61\x01") }, /* whose count twice overflows 32 bits */
        { BYTES("\x81\xa3\x78\x2d\x61\xdd\x10\x00\x00\x00") },
        { BYTES("\x81\xa3\x78\x2d\x61\xdb\xff\xff\xff\xff\x61") },
        { BYTES("\x81\xa3\x78\x2d\x61\xc6\xff\xff\xff\xff\x61") },
        { BYTES("\x8f\xa1\x61\x01") },
        { BYTES("\xde\x00\x02\xa1\x61\x01") },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(liars) / sizeof(*liars); i++)
        fails(f, nothing_record(), RECORD_LENIENT, liars[i].bytes, liars[i].size,
              "announces more than it holds");
}

static void nesting_over_32_is_refused(void **state)
{
    struct fixture *f = *state;
    char bytes[200] = "\x81\xa3x-a";
    struct buffer deep = { 0 };

    /* the map is 1, the array in it 2, ... */
    memset(bytes + 5, '\x91', 100);
    bytes[5 + 30] = '\xc0';
    assert_non_null(unpacked(f, nothing_record(), RECORD_STRICT, bytes, 5 + 31));
    bytes[5 + 30] = '\x91';
    bytes[5 + 31] = '\xc0';
    fails(f, nothing_record(), RECORD_STRICT, bytes, 5 + 32, "deeper than 32");
    buffer_add(&deep, "\x81\xa3x-a", 5);
    for (int i = 0; i < 1000000; i++)
        buffer_add(&deep, "\x91", 1);
    fails(f, nothing_record(), RECORD_STRICT, deep.data, deep.size, "deeper than 32");
    buffer_free(&deep);
}

static void what_is_not_one_map_is_refused(void **state)
{
    struct fixture *f = *state;

    fails(f, nothing_record(), RECORD_LENIENT, "", 0, "empty");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\xc0"), "not a map");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\x90"), "not a map");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\xa1x"), "not a map");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\x80\x80"), "1 bytes after its end");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\x81\xa3x-a\xc1"), "not msgpack");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\x81\xa3x-a\xd4\x01\x01"), "not msgpack");
    fails(f, nothing_record(), RECORD_LENIENT, BYTES("\x81\x01\x01"), "not a string");
    assert_non_null(unpacked(f, nothing_record(), RECORD_STRICT, BYTES("\x80")));
}

static void messages_over_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    char *bytes = calloc(1, RECORD_BYTES_MAX + 1);

    memcpy(bytes, "\x81\xa3x-a\xc6", 6);
    fails(f, nothing_record(), RECORD_LENIENT, bytes, RECORD_BYTES_MAX + 1, "over the limit");
    /* 16 million nils would be 400 MB of objects */
    memcpy(bytes, "\x81\xa3x-a\xdd\x00\xff\xff\x00", 10);
    memset(bytes + 10, '\xc0', 0xffff00);
    fails(f, nothing_record(), RECORD_LENIENT, bytes, 10 + 0xffff00, "more than 1048576 values");
    /* and a million empty maps no gigabyte of structs */
    memcpy(bytes,
           "\x81\xaa"
           "containers\xdd\x00\x0f\x00\x00",
           17);
    memset(bytes + 17, '\x80', 0xf0000);
    fails(f, containers_list_reply_record(), RECORD_LENIENT, bytes, 17 + 0xf0000, "containers");
    free(bytes);
}

static void unknown_keys_are_named_in_requests_and_ignored_elsewhere(void **state)
{
    struct fixture *f = *state;

    fails(f, nothing_record(), RECORD_STRICT, BYTES("\x81\xa9read_only\xc3"),
          "nothing has no field 'read_only'");
    assert_non_null(unpacked(f, nothing_record(), RECORD_LENIENT, BYTES("\x81\xa9read_only\xc3")));
    assert_non_null(unpacked(f, nothing_record(), RECORD_STRICT, BYTES("\x81\xa6x-note\xc3")));
    fails(f, nothing_record(), RECORD_STRICT, BYTES("\x81\xa1x\xc3"), "has no field 'x'");
    fails(f, nothing_record(), RECORD_STRICT, BYTES("\x81\xa0\xc3"), "has no field ''");
    fails(f, nothing_record(), RECORD_STRICT, BYTES("\x81\xa4\x1b[2J\xc3"), "has no field '?[2J'");
    /* in nested records, too */
    fails(f, images_put_request_record(), RECORD_STRICT,
          BYTES("\x82\xa4name\xa1x\xa6target\x81\xa4sice\x01"), "descriptor has no field 'sice'");
}

static void a_field_given_twice_is_refused(void **state)
{
    struct fixture *f = *state;

    fails(f, labels_record(), RECORD_LENIENT, BYTES("\x82\xa6labels\x80\xa6labels\x80"),
          "labels.labels is given twice");
    fails(f, labels_record(), RECORD_LENIENT,
          BYTES("\x81\xa6labels\x83\xa1"
                "a\xa1"
                "1\xa1"
                "b\xa1"
                "2\xa1"
                "a\xa1"
                "1"),
          "labels.labels is malformed");
    assert_non_null(unpacked(f, labels_record(), RECORD_LENIENT,
                             BYTES("\x81\xa6labels\x82\xa1"
                                   "a\xa1"
                                   "1\xa1"
                                   "b\xa1"
                                   "1")));
}

/* Packs every field but one, or all with one of them nil. */
static void each_missing_field_is_named(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 31;

    for (size_t i = 0; i < schema_record_count; i++) {
        const struct record *record = schema_records[i]();

        for (size_t j = 0; j < record->field_count; j++) {
            struct field fields[RECORD_FIELDS_MAX];
            struct record without = *record;
            void *in = arena_alloc(f->arena, record->size);
            struct buffer wire = { 0 };
            char says[100];

            if (!record->fields[j].required)
                continue;
            memcpy(fields, record->fields, j * sizeof(*fields));
            memcpy(fields + j, record->fields + j + 1,
                   (record->field_count - j - 1) * sizeof(*fields));
            without.fields = fields;
            without.field_count--;
            random_record(record, in, &seed, f->arena);
            record_pack(&without, in, &wire);
            snprintf(says, sizeof(says), "%s.%s is missing", record->name, record->fields[j].name);
            fails(f, record, RECORD_LENIENT, wire.data, wire.size, says);
            buffer_free(&wire);
        }
    }
}

/* A map of one field with a value of another type. */
static struct buffer one_field(const char *name, const char *value, size_t size)
{
    struct buffer wire = { 0 };
    msgpack_packer packer;
    msgpack_sbuffer out;

    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_str_with_body(&packer, name, strlen(name));
    buffer_add(&wire, out.data, out.size);
    buffer_add(&wire, value, size);
    msgpack_sbuffer_destroy(&out);
    return wire;
}

static bool may_be(enum kind kind, char type)
{
    switch (type) {
    case '\x05':
        return kind == KIND_U64 || kind == KIND_I64 || kind == KIND_TIME || kind == KIND_F64;
    case '\xff': /* -1 */
        return kind == KIND_I64 || kind == KIND_TIME || kind == KIND_F64;
    case '\xcb':
        return kind == KIND_F64;
    case '\xc3':
        return kind == KIND_BOOL;
    case '\xa1':
        return kind == KIND_STR || kind == KIND_PATH;
    case '\xc4':
        return kind == KIND_BIN || kind == KIND_PATH;
    case '\x90':
        return kind == KIND_STRS || kind == KIND_PATHS || kind == KIND_LIST;
    case '\x81':
        return kind == KIND_MAP;
    default:
        return false;
    }
}

static void values_of_the_wrong_type_are_refused_by_name(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } values[] = {
        { BYTES("\x05") }, { BYTES("\xff") },           { BYTES("\xcb\0\0\0\0\0\0\0\0") },
        { BYTES("\xc3") }, { BYTES("\xa1x") },          { BYTES("\xc4\x01x") },
        { BYTES("\x90") }, { BYTES("\x81\xa1x\xa1y") },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < schema_record_count; i++)
        for (size_t j = 0; j < schema_records[i]()->field_count; j++)
            for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
                const struct record *record = schema_records[i]();
                const struct field *field = &record->fields[j];
                struct buffer wire = one_field(field->name, values[k].bytes, values[k].size);
                char says[100];

                snprintf(says, sizeof(says), "%s.%s is malformed", record->name, field->name);
                bool right = may_be(field->kind, values[k].bytes[0]);
                bool taken = unpacked(f, record, RECORD_STRICT, wire.data, wire.size) != NULL;
                bool named = !taken && strstr(f->err.text, says) != NULL;

                if (field->kind == KIND_REC ? taken : right ? named : !named)
                    fail_msg("%s of kind %s and byte %02x: %s", says, kind_name(field->kind),
                             (unsigned char)values[k].bytes[0], f->err.text);
                buffer_free(&wire);
            }
}

static void nil_is_what_absent_looks_like(void **state)
{
    struct fixture *f = *state;
    const struct nothing *nothing =
        unpacked(f, nothing_record(), RECORD_STRICT, BYTES("\x81\xa6unused\xc0"));

    assert_non_null(nothing);
    assert_false(nothing->has_unused);
    fails(f, credit_record(), RECORD_STRICT,
          BYTES("\x81\xa5"
                "count\xc0"),
          "credit.count");
}

static void zero_is_a_value(void **state)
{
    const struct container_options in = { SET(memory, 0), SET(tty, false), SET(cpus, 0) };
    struct fixture *f = *state;
    const struct container_options *out;
    struct buffer wire = { 0 };

    record_pack(container_options_record(), &in, &wire);
    out = unpacked(f, container_options_record(), RECORD_STRICT, wire.data, wire.size);
    assert_true(out->has_memory && out->memory == 0);
    assert_true(out->has_tty && !out->tty);
    assert_true(out->has_cpus && out->cpus == 0);
    assert_false(out->has_pids || out->has_stdin);
    buffer_free(&wire);
}

static void numbers_keep_their_range(void **state)
{
    struct fixture *f = *state;
    const struct credit *credit;

    credit = unpacked(f, credit_record(), RECORD_STRICT,
                      BYTES("\x81\xa5"
                            "count\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_true(credit->count == UINT64_MAX);
    fails(f, credit_record(), RECORD_STRICT,
          BYTES("\x81\xa5"
                "count\xff"),
          "credit.count");
    fails(f, container_options_record(), RECORD_STRICT,
          BYTES("\x81\xa4pids\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "container_options.pids");
}

static void text_must_be_utf8_and_paths_may_be_any_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
        { BYTES("\x81\xa4name\xa1\xff") },             /* no UTF-8 */
        { BYTES("\x81\xa4name\xa2\xc0\x80") },         /* overlong NUL */
        { BYTES("\x81\xa4name\xa3\xed\xa0\x80") },     /* half of a pair */
        { BYTES("\x81\xa4name\xa4\xf4\x90\x80\x80") }, /* beyond Unicode */
        { BYTES("\x81\xa4name\xa1\xc3") },             /* half a character */
        { BYTES("\x81\xa4name\xa3"
                "a\0b") }, /* NUL */
        { BYTES("\x81\xa4name\xc4\x01"
                "a") }, /* bytes, not text */
    };
    struct fixture *f = *state;
    const struct container_options *out;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        fails(f, namespaces_get_request_record(), RECORD_STRICT, wrong[i].bytes, wrong[i].size,
              "namespaces_get_request.name is malformed");
    out = unpacked(f, container_options_record(), RECORD_STRICT,
                   BYTES("\x82\xa3"
                         "cwd\xc4\x02/\xff\xa4"
                         "args\x92\xa1"
                         "a\xc4\x01\xfe"));
    assert_string_equal(out->cwd, "/\xff");
    assert_string_equal(out->args.items[0], "a");
    assert_string_equal(out->args.items[1], "\xfe");
    fails(f, container_options_record(), RECORD_STRICT,
          BYTES("\x81\xa3"
                "cwd\xc4\x03"
                "a\0b"),
          "container_options.cwd is malformed");
    fails(f, container_options_record(), RECORD_STRICT,
          BYTES("\x81\xa4"
                "args\x91\xa2"
                "a\0"),
          "container_options.args is malformed");
    fails(f, labels_record(), RECORD_STRICT, BYTES("\x81\xa6labels\x81\xa1\xff\xa1x"),
          "labels.labels is malformed");
    fails(f, labels_record(), RECORD_STRICT, BYTES("\x81\xa6labels\x81\xa1x\x01"),
          "labels.labels is malformed");
}

static void what_is_unpacked_does_not_need_the_bytes(void **state)
{
    struct fixture *f = *state;
    struct shim_data in = { .stream = "stdout", .bytes = { "a\0b", 3 } }, out;
    struct buffer wire = { 0 };

    record_pack(shim_data_record(), &in, &wire);
    assert_int_equal(record_unpack(shim_data_record(), RECORD_STRICT, wire.data, wire.size, &out,
                                   f->arena, &f->err),
                     0);
    memset(wire.data, 'x', wire.size);
    buffer_free(&wire);
    assert_string_equal(out.stream, "stdout");
    assert_int_equal(out.bytes.size, 3);
    assert_memory_equal(out.bytes.data, "a\0b", 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(any_record_survives_the_wire),
        TEST(a_copy_is_the_same_record),
        TEST(no_record_has_more_fields_than_the_codec_takes),
        TEST(operations_and_records_have_names_of_their_own),
        TEST(cut_off_at_any_byte_it_is_refused),
        TEST(random_bytes_are_refused_or_are_a_record),
        TEST(damaged_records_are_refused_or_are_a_record),
        TEST(counts_larger_than_the_message_are_refused_before_memory_is_taken),
        TEST(nesting_over_32_is_refused),
        TEST(what_is_not_one_map_is_refused),
        TEST(messages_over_the_limits_are_refused),
        TEST(unknown_keys_are_named_in_requests_and_ignored_elsewhere),
        TEST(a_field_given_twice_is_refused),
        TEST(each_missing_field_is_named),
        TEST(values_of_the_wrong_type_are_refused_by_name),
        TEST(nil_is_what_absent_looks_like),
        TEST(zero_is_a_value),
        TEST(numbers_keep_their_range),
        TEST(text_must_be_utf8_and_paths_may_be_any_bytes),
        TEST(what_is_unpacked_does_not_need_the_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
