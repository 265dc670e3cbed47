/* Bounded JSON: one pass over the bytes that builds nothing, then jansson, then typed readers. */
#include "protocol/oci/document.h"

#include <stdio.h>
#include <string.h>

#include "protocol/oci/shown.h"

/* ---- bounds ------------------------------------------------------------------ */

struct counts {
    size_t values; /* at most so many: each follows a bracket, a brace or a comma */
    size_t depth, deepest;
};

/* Behind the string's closing quote, or the end. */
static const char *skip_string(const char *at, const char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    return at < end ? at + 1 : end;
}

static struct counts count(const char *at, const char *end)
{
    struct counts counts = { 0 };

    while (at < end) {
        char c = *at++;

        if (c == '"')
            at = skip_string(at, end);
        if (c == '{' || c == '[' || c == ',')
            counts.values++;
        if ((c == '{' || c == '[') && ++counts.depth > counts.deepest)
            counts.deepest = counts.depth;
        if ((c == '}' || c == ']') && counts.depth > 0)
            counts.depth--;
    }
    return counts;
}

static int check_bounds(const char *what, const void *bytes, size_t size, size_t limit,
                        struct error *err)
{
    struct counts counts;

    if (size > limit)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: of %zu bytes, the limit is %zu", what,
                         size, limit);
    counts = count(bytes, (const char *)bytes + size);
    if (counts.values > DOCUMENT_VALUES_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: holds more than %d values", what,
                         DOCUMENT_VALUES_MAX);
    if (counts.deepest > DOCUMENT_DEPTH_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: is nested deeper than %d", what,
                         DOCUMENT_DEPTH_MAX);
    return 0;
}

json_t *document_load(const char *what, const void *bytes, size_t size, size_t limit,
                      struct error *err)
{
    json_error_t problem;
    json_t *root;
    struct shown s;

    if (size == 0) {
        error_set(err, ERROR_DATA_LOSS, "%s: is empty", what);
        return NULL;
    }
    if (check_bounds(what, bytes, size, limit, err) < 0)
        return NULL;
    root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        error_set(err, ERROR_DATA_LOSS, "%s: not JSON, line %d: %s", what, problem.line,
                  shown(problem.text, &s));
        return NULL;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        error_set(err, ERROR_DATA_LOSS, "%s: not a JSON object", what);
        return NULL;
    }
    return root;
}

/* ---- readers -------------------------------------------------------------------- */

int place_error(const struct place *place, const char *key, const char *fmt, ...)
{
    char words[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    return error_set(place->err, ERROR_DATA_LOSS, "%s: %s%s%s%s%s", place->what, place->where,
                     place->where[0] && *key ? "." : "", key, place->where[0] || *key ? " " : "",
                     words);
}

static json_t *find(const struct place *place, const char *key)
{
    json_t *value = json_object_get(place->object, key);

    return json_is_null(value) ? NULL : value;
}

int read_text(const struct place *place, const char *key, const char **out)
{
    json_t *value = find(place, key);

    *out = NULL;
    if (value == NULL)
        return 0;
    if (!json_is_string(value))
        return place_error(place, key, "is not a string");
    *out = arena_str(place->arena, json_string_value(value));
    return 0;
}

int read_size(const struct place *place, const char *key, uint64_t *out)
{
    json_t *value = find(place, key);

    if (value == NULL)
        return place_error(place, key, "is missing");
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return place_error(place, key, "is not a size");
    *out = (uint64_t)json_integer_value(value);
    return 0;
}

int read_array(const struct place *place, const char *key, json_t **out)
{
    *out = find(place, key);
    if (*out != NULL && !json_is_array(*out))
        return place_error(place, key, "is not an array");
    return 0;
}

int read_object(const struct place *place, const char *key, struct place *out)
{
    *out = *place;
    out->object = find(place, key);
    snprintf(out->where, sizeof(out->where), "%.20s%s%.20s", place->where,
             place->where[0] ? "." : "", key);
    if (out->object != NULL && !json_is_object(out->object))
        return place_error(place, key, "is not an object");
    return 0;
}

int read_item(const struct place *place, const char *key, json_t *array, size_t i,
              struct place *out)
{
    *out = *place;
    out->object = json_array_get(array, i);
    snprintf(out->where, sizeof(out->where), "%.20s[%zu]", key, i);
    if (!json_is_object(out->object))
        return place_error(out, "", "is not an object");
    return 0;
}

int read_strs(const struct place *place, const char *key, struct strs *out)
{
    json_t *array;

    *out = (struct strs){ 0 };
    if (read_array(place, key, &array) < 0)
        return -1;
    out->count = json_array_size(array);
    out->items = arena_alloc(place->arena, out->count * sizeof(*out->items));
    for (size_t i = 0; i < out->count; i++) {
        json_t *item = json_array_get(array, i);

        if (!json_is_string(item))
            return place_error(place, key, "is not a list of strings");
        out->items[i] = arena_str(place->arena, json_string_value(item));
    }
    return 0;
}

int read_map(const struct place *place, const char *key, struct map *out)
{
    struct place inside;
    const char *name;
    json_t *value;

    *out = (struct map){ 0 };
    if (read_object(place, key, &inside) < 0)
        return -1;
    out->entries =
        arena_alloc(place->arena, json_object_size(inside.object) * sizeof(*out->entries));
    json_object_foreach(inside.object, name, value)
    {
        if (!json_is_string(value) && !json_is_null(value))
            return place_error(place, key, "has a value that is not a string");
        out->entries[out->count++] = (struct map_entry){
            .key = arena_str(place->arena, name),
            .value = arena_str(place->arena, json_is_null(value) ? "" : json_string_value(value)),
        };
    }
    return 0;
}

int read_keys(const struct place *place, const char *key, struct strs *out)
{
    struct place inside;
    const char *name;
    json_t *value;

    *out = (struct strs){ 0 };
    if (read_object(place, key, &inside) < 0)
        return -1;
    out->items = arena_alloc(place->arena, json_object_size(inside.object) * sizeof(*out->items));
    json_object_foreach(inside.object, name, value) out->items[out->count++] =
        arena_str(place->arena, name);
    return 0;
}
