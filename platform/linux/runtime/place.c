/* See place.h. */
#include "platform/linux/runtime/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- steps ------------------------------------------------------------------- */

static const json_t *present(const json_t *json)
{
    return json_is_null(json) ? NULL : json;
}

struct place place_document(const json_t *document)
{
    return (struct place){ .json = document };
}

struct place place_member(const struct place *up, const char *key)
{
    return (struct place){ .json = present(json_object_get(up->json, key)), .up = up, .key = key };
}

struct place place_element(const struct place *up, size_t index)
{
    return (struct place){ .json = present(json_array_get(up->json, index)),
                           .up = up,
                           .index = index };
}

/* Written from the end, so that the innermost part is what is left of a long way. */
const char *place_name(const struct place *place, char text[PLACE_TEXT])
{
    size_t at = PLACE_TEXT - 1;

    text[at] = '\0';
    for (; place->up != NULL; place = place->up) {
        char step[96];
        int size = place->key != NULL
                       ? snprintf(step, sizeof(step), "%s%.80s", place->up->up ? "." : "", place->key)
                       : snprintf(step, sizeof(step), "[%zu]", place->index);

        if (size < 0 || (size_t)size > at)
            break;
        at -= (size_t)size;
        memcpy(text + at, step, (size_t)size);
    }
    memmove(text, text + at, PLACE_TEXT - at);
    return text;
}

/* ---- errors ------------------------------------------------------------------- */

int place_failure(const struct place *place, struct error *err, const char *fmt, ...)
{
    char name[PLACE_TEXT], text[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %s", place_name(place, name), text);
}

/* What is there, short enough for a message. */
static int must_be(const struct place *place, const char *what, struct error *err)
{
    char shown[64] = "an object";

    if (json_is_array(place->json)) {
        snprintf(shown, sizeof(shown), "an array");
    } else if (!json_is_object(place->json)) {
        char *text = json_dumps(place->json, JSON_ENCODE_ANY);

        snprintf(shown, sizeof(shown), "%.60s", text != NULL ? text : "something");
        free(text);
    }
    return place_failure(place, err, "is %s, must be %s", shown, what);
}

/* The place of a member; -1 when there is something else than an object to have members. */
static int member(const struct place *up, const char *key, struct place *out, struct error *err)
{
    if (up->json != NULL && !json_is_object(up->json))
        return must_be(up, "an object", err);
    *out = place_member(up, key);
    return 0;
}

/* ---- values -------------------------------------------------------------------- */

int place_text(const struct place *up, const char *key, const char **out, struct error *err)
{
    struct place place;

    *out = NULL;
    if (member(up, key, &place, err) < 0)
        return -1;
    if (place.json == NULL)
        return 0;
    if (!json_is_string(place.json))
        return must_be(&place, "a string", err);
    *out = json_string_value(place.json);
    return 0;
}

int place_bool(const struct place *up, const char *key, bool *out, bool *has, struct error *err)
{
    struct place place;

    *out = false;
    if (member(up, key, &place, err) < 0)
        return -1;
    if (has != NULL)
        *has = place.json != NULL;
    if (place.json != NULL && !json_is_boolean(place.json))
        return must_be(&place, "true or false", err);
    *out = json_is_true(place.json);
    return 0;
}

int place_i64(const struct place *up, const char *key, int64_t *out, bool *has, struct error *err)
{
    struct place place;

    *out = 0;
    if (member(up, key, &place, err) < 0)
        return -1;
    if (has != NULL)
        *has = place.json != NULL;
    if (place.json != NULL && !json_is_integer(place.json))
        return must_be(&place, "a whole number", err);
    *out = json_integer_value(place.json);
    return 0;
}

int place_u64(const struct place *up, const char *key, uint64_t *out, bool *has, struct error *err)
{
    struct place place;

    *out = 0;
    if (member(up, key, &place, err) < 0)
        return -1;
    if (has != NULL)
        *has = place.json != NULL;
    if (place.json == NULL)
        return 0;
    if (json_is_real(place.json) && json_real_value(place.json) >= 18446744073709551615.0) {
        *out = UINT64_MAX;
        return 0;
    }
    if (!json_is_integer(place.json) || json_integer_value(place.json) < 0)
        return must_be(&place, "a whole number, not below 0", err);
    *out = (uint64_t)json_integer_value(place.json);
    return 0;
}

int place_u32(const struct place *up, const char *key, uint32_t *out, bool *has, struct error *err)
{
    struct place place;
    uint64_t value;

    if (place_u64(up, key, &value, has, err) < 0)
        return -1;
    *out = (uint32_t)value;
    if (value <= UINT32_MAX)
        return 0;
    place = place_member(up, key);
    return must_be(&place, "a whole number of at most 4294967295", err);
}

int place_count(const struct place *array, size_t *count, struct error *err)
{
    if (array->json != NULL && !json_is_array(array->json))
        return must_be(array, "an array", err);
    *count = json_array_size(array->json);
    return 0;
}

int place_texts(const struct place *up, const char *key, struct strs *out, struct arena *arena,
                struct error *err)
{
    struct place array;
    const char **items;
    size_t count = 0;

    if (member(up, key, &array, err) < 0 || place_count(&array, &count, err) < 0)
        return -1;
    items = arena_alloc(arena, (count + 1) * sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        struct place place = place_element(&array, i);

        if (!json_is_string(place.json))
            return place.json == NULL ? place_failure(&place, err, "is null, must be a string")
                                      : must_be(&place, "a string", err);
        items[i] = json_string_value(place.json);
    }
    *out = (struct strs){ .count = count, .items = items };
    return 0;
}

int place_needs(const struct place *up, const char *key, struct error *err)
{
    struct place place;

    if (member(up, key, &place, err) < 0)
        return -1;
    if (place.json == NULL)
        return place_failure(&place, err, "is missing");
    if (json_is_string(place.json) && json_string_length(place.json) == 0)
        return place_failure(&place, err, "is empty");
    return 0;
}
