/*
 * Golden messages: protocol/wire/RECORD[-CASE].hex and what it says as JSON.  They were written
 * by another encoder than ours, and never change: a peer of any version sends and expects them.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/json.h"
#include "protocol/schema.h"

#define FOLDER TEST_SOURCE "/protocol/wire"

static const struct record *record_of(const char *name)
{
    size_t length = strcspn(name, "-.");

    for (size_t i = 0; i < schema_record_count; i++) {
        const struct record *record = schema_records[i]();

        if (strlen(record->name) == length && memcmp(record->name, name, length) == 0)
            return record;
    }
    fail_msg("%s names no record", name);
    return NULL;
}

/* Two digits a byte, line ends anywhere. */
static struct buffer read_hex(const char *name)
{
    struct buffer bytes = { 0 };
    char path[400];
    unsigned byte;
    FILE *file;

    snprintf(path, sizeof(path), FOLDER "/%s", name);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fscanf(file, "%2x", &byte) == 1)
        buffer_add(&bytes, &(char){ (char)byte }, 1);
    assert_true(feof(file));
    fclose(file);
    return bytes;
}

static char *read_json(const char *name)
{
    char path[400];
    json_error_t problem;
    json_t *json;
    char *text;

    snprintf(path, sizeof(path), FOLDER "/%.*s.json", (int)strlen(name) - 4, name);
    json = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
    if (json == NULL)
        fail_msg("%s: %s", path, problem.text);
    text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    return text;
}

static bool seen[KIND_LIST + 1];

/* Remembers the kinds of the fields that the message has. */
static void mark(const struct record *record, json_t *json)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        json_t *value = json_object_get(json, field->name);

        if (value == NULL || (field->kind == KIND_LIST && json_array_size(value) == 0))
            continue;
        seen[field->kind] = true;
        if (field->kind == KIND_REC || field->kind == KIND_LIST)
            mark(field->item(), json_is_array(value) ? json_array_get(value, 0) : value);
    }
}

static void check(const char *name)
{
    const struct record *record = record_of(name);
    struct arena *arena = arena_new();
    struct buffer golden = read_hex(name), again = { 0 };
    void *out = arena_alloc(arena, record->size);
    char *expected = read_json(name), *found;
    struct error err = { 0 };
    json_t *json;

    if (record_unpack(record, RECORD_STRICT, golden.data, golden.size, out, arena, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    json = record_json(record, out);
    mark(record, json);
    found = json_dumps(json, JSON_INDENT(2));
    assert_string_equal(found, expected);
    record_pack(record, out, &again);
    assert_int_equal(again.size, golden.size);
    assert_memory_equal(again.data, golden.data, golden.size);

    json_decref(json);
    free(found);
    free(expected);
    buffer_free(&again);
    buffer_free(&golden);
    arena_free(arena);
}

static void golden_messages_stay_what_they_are(void **state)
{
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    int checked = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        size_t length = strlen(entry->d_name);

        if (length < 4 || strcmp(entry->d_name + length - 4, ".hex") != 0)
            continue;
        check(entry->d_name);
        checked++;
    }
    closedir(folder);
    assert_true(checked >= 15);
    for (int kind = 0; kind <= KIND_LIST; kind++)
        if (!seen[kind])
            fail_msg("no golden message has a %s", kind_name((enum kind)kind));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_messages_stay_what_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
