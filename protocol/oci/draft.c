/* JSON documents: pieces that cannot be lost, and numbers up to 2^64-1. */
#include "protocol/oci/draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2^64 as jansson prints it, and what it stands for. */
#define UNLIMITED_REAL  18446744073709551616.0
#define UNLIMITED_DRAFT "1.8446744073709552e19"
#define UNLIMITED_TEXT  "18446744073709551615"

static json_t *or_die(json_t *value)
{
    if (value == NULL) {
        fputs("gantry: out of memory\n", stderr);
        abort();
    }
    return value;
}

json_t *draft_object(void)
{
    return or_die(json_object());
}

json_t *draft_array(void)
{
    return or_die(json_array());
}

json_t *draft_bool(bool value)
{
    return json_boolean(value);
}

json_t *draft_number(json_int_t value)
{
    return or_die(json_integer(value));
}

json_t *draft_size(uint64_t value)
{
    if (value > INT64_MAX)
        return or_die(json_real(UNLIMITED_REAL));
    return draft_number((json_int_t)value);
}

json_t *draft_text(const char *text)
{
    size_t size = strlen(text);
    struct buffer plain = { 0 };
    json_t *value;

    if (utf8_is_valid(text, size))
        return or_die(json_stringn_nocheck(text, size));
    buffer_add(&plain, text, size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)plain.data[i] >= 0x80)
            plain.data[i] = '?';
    value = or_die(json_stringn_nocheck(plain.data, size));
    buffer_free(&plain);
    return value;
}

json_t *draft_textf(const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return draft_text(text);
}

json_t *draft_texts(const struct strs *texts)
{
    json_t *array = draft_array();

    draft_add_texts(array, texts);
    return array;
}

void draft_add_texts(json_t *array, const struct strs *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        draft_add(array, draft_text(texts->items[i]));
}

json_t *draft_words(const char *words)
{
    json_t *array = draft_array();
    size_t length;

    for (words += strspn(words, " "); *words != '\0'; words += strspn(words, " ")) {
        length = strcspn(words, " ");
        draft_add(array, or_die(json_stringn(words, length)));
        words += length;
    }
    return array;
}

json_t *draft_copy(const json_t *value)
{
    return or_die(json_deep_copy(value));
}

void draft_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object, key, value) < 0)
        or_die(NULL);
}

void draft_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        or_die(NULL);
}

void draft_extend(json_t *array, json_t *more)
{
    if (json_array_extend(array, more) < 0)
        or_die(NULL);
    json_decref(more);
}

/* ---- text --------------------------------------------------------------------- */

/* The length of the string literal that begins at `at`, both quotes included. */
static size_t literal_length(const char *at, const char *end)
{
    const char *p = at + 1;

    while (p < end && *p != '"')
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return (size_t)((p < end ? p + 1 : end) - at);
}

static bool is_one_of(char c, const char *chars)
{
    return c != '\0' && strchr(chars, c) != NULL;
}

/* A number is `word` when it stands there whole. */
static bool is_number(const char *text, const char *at, const char *end, const char *word)
{
    size_t length = strlen(word);

    return (size_t)(end - at) > length && at > text && memcmp(at, word, length) == 0 &&
           is_one_of(at[-1], ":,[ \t\r\n") && is_one_of(at[length], ",]} \t\r\n");
}

/* Copies JSON, numbers that are `from` replaced by `to`; string literals stay as they are.
   Returns how many values there are, at most. */
static size_t numbers_replace(const char *text, size_t size, const char *from, const char *to,
                              struct buffer *out)
{
    const char *at = text, *end = text + size, *begin = text;
    size_t values = 1;

    while (at < end) {
        if (*at == '"') {
            at += literal_length(at, end);
        } else if (is_number(text, at, end, from)) {
            buffer_add(out, begin, (size_t)(at - begin));
            buffer_add(out, to, strlen(to));
            begin = at += strlen(from);
        } else {
            values += is_one_of(*at++, ",[{");
        }
    }
    buffer_add(out, begin, (size_t)(end - begin));
    return values;
}

int draft_write(const json_t *document, size_t limit, struct buffer *out, struct error *err)
{
    char *text = json_dumps(document, JSON_COMPACT);
    size_t before = out->size, size = text == NULL ? 0 : strlen(text);

    if (text == NULL)
        or_die(NULL);
    if (size <= limit)
        numbers_replace(text, size, UNLIMITED_DRAFT, UNLIMITED_TEXT, out);
    free(text);
    if (size > limit || out->size - before > limit)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "the document has %zu bytes of JSON; %zu at most", size, limit);
    return 0;
}

json_t *draft_read(const char *bytes, size_t size, struct error *err)
{
    struct buffer text = { 0 };
    json_error_t fault;
    json_t *document;

    if (numbers_replace(bytes, size, UNLIMITED_TEXT, UNLIMITED_DRAFT, &text) > DRAFT_VALUES_MAX) {
        buffer_free(&text);
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "JSON of more than %d values", DRAFT_VALUES_MAX);
        return NULL;
    }
    document =
        json_loadb(text.data == NULL ? "" : text.data, text.size, JSON_REJECT_DUPLICATES, &fault);
    buffer_free(&text);
    if (document == NULL) {
        error_set(err, ERROR_INVALID_ARGUMENT, "not JSON: line %d, column %d: %.100s", fault.line,
                  fault.column, fault.text);
        return NULL;
    }
    if (!json_is_object(document)) {
        json_decref(document);
        error_set(err, ERROR_INVALID_ARGUMENT, "not a JSON object");
        return NULL;
    }
    return document;
}

/* ---- records ------------------------------------------------------------------ */

static bool text_is_valid(const char *text)
{
    return text == NULL || utf8_is_valid(text, strlen(text));
}

static bool strs_are_valid(const struct strs *strs)
{
    for (size_t i = 0; i < strs->count; i++)
        if (!text_is_valid(strs->items[i]))
            return false;
    return true;
}

static bool map_is_valid(const struct map *map)
{
    for (size_t i = 0; i < map->count; i++)
        if (!text_is_valid(map->entries[i].key) || !text_is_valid(map->entries[i].value))
            return false;
    return true;
}

static int list_check(const struct record *item, const struct list *list, struct error *err)
{
    for (size_t i = 0; i < list->count; i++)
        if (draft_check_texts(item, (const char *)list->items + i * item->size, err) < 0)
            return -1;
    return 0;
}

static int field_check(const struct field *field, const void *at, struct error *err)
{
    bool valid = true;

    switch (field->kind) {
    case KIND_STR:
    case KIND_PATH:
        valid = text_is_valid(*(const char *const *)at);
        break;
    case KIND_STRS:
    case KIND_PATHS:
        valid = strs_are_valid(at);
        break;
    case KIND_MAP:
        valid = map_is_valid(at);
        break;
    case KIND_LIST:
        return list_check(field->item(), at, err);
    case KIND_REC:
        return *(const void *const *)at == NULL
                   ? 0
                   : draft_check_texts(field->item(), *(const void *const *)at, err);
    default:
        break;
    }
    if (!valid)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%s: not UTF-8; a container's spec is JSON and cannot carry other bytes",
                         field->name);
    return 0;
}

int draft_check_texts(const struct record *record, const void *in, struct error *err)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (field_check(&record->fields[i], (const char *)in + record->fields[i].offset, err) < 0)
            return -1;
    return 0;
}
