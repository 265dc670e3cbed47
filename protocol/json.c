/* json — records as JSON text for people: the words of the schema, times in RFC 3339. */
#include "protocol/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nettle/base64.h>

#define NS_PER_S 1000000000

const char *time_text(int64_t ns, char out[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    long rest = (long)(ns % NS_PER_S);
    struct tm tm;

    if (rest < 0) {
        rest += NS_PER_S;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm); /* the years of an i64 have 4 digits */
    snprintf(out + 19, TIME_TEXT_SIZE - 19, ".%09uZ", (unsigned)rest % NS_PER_S);
    return out;
}

static const char *parse_fraction(const char *at, int64_t *ns)
{
    int64_t unit = NS_PER_S / 10;

    for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
        *ns += (*at - '0') * unit;
    return at;
}

static int parse_offset(const char *at, int64_t *seconds)
{
    int hours, minutes, used = 0;
    char sign;

    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
        return 0;
    if (sscanf(at, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 || at[used] != '\0' ||
        (sign != '+' && sign != '-') || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return -1;
    *seconds -= (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    return 0;
}

/* timegm() would take the 31st of February for the 3rd of March; month and year as written */
static bool is_moment(const struct tm *tm)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = tm->tm_year % 4 == 0 && (tm->tm_year % 100 != 0 || tm->tm_year % 400 == 0);

    return tm->tm_mon >= 1 && tm->tm_mon <= 12 && tm->tm_mday >= 1 &&
           tm->tm_mday <= days[tm->tm_mon - 1] + (leap && tm->tm_mon == 2) && tm->tm_hour >= 0 &&
           tm->tm_hour <= 23 && tm->tm_min >= 0 && tm->tm_min <= 59 && tm->tm_sec >= 0 &&
           tm->tm_sec <= 60;
}

int time_parse(const char *text, int64_t *ns)
{
    struct tm tm = { 0 };
    int used = 0;
    int64_t fraction = 0, seconds;
    const char *at;
    char *end;

    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) == 6 && used > 0) {
        if (!is_moment(&tm))
            return -1;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        seconds = (int64_t)timegm(&tm);
        at = text + used;
        if (*at == '.')
            at = parse_fraction(at, &fraction);
        if (parse_offset(at, &seconds) < 0)
            return -1;
    } else {
        seconds = strtoll(text, &end, 10);
        if (end == text)
            return -1;
        if (*end == '.')
            end = (char *)(uintptr_t)parse_fraction(end, &fraction);
        if (*end != '\0')
            return -1;
        if (text[strspn(text, " \t")] == '-')
            fraction = -fraction;
    }
    if (seconds > INT64_MAX / NS_PER_S - 1 || seconds < INT64_MIN / NS_PER_S + 1)
        return -1;
    *ns = seconds * NS_PER_S + fraction;
    return 0;
}

/* Replaces each byte that is not part of valid UTF-8 by U+FFFD. */
static json_t *lossy_text(const char *s)
{
    size_t length = strlen(s), at = 0;
    struct buffer out = { 0 };
    json_t *text;

    if (utf8_is_valid(s, length))
        return json_stringn(s, length);
    while (at < length) {
        size_t step = 1;

        while (step <= 4 && at + step <= length && !utf8_is_valid(s + at, step))
            step++;
        if (step > 4 || at + step > length) {
            buffer_add(&out, "\xef\xbf\xbd", 3);
            at++;
        } else {
            buffer_add(&out, s + at, step);
            at += step;
        }
    }
    text = json_stringn(out.data, out.size);
    buffer_free(&out);
    return text;
}

json_t *json_base64(const void *bytes, size_t size)
{
    char *text = malloc(BASE64_ENCODE_RAW_LENGTH(size) + 1);
    json_t *value;

    if (text == NULL)
        return json_null();
    base64_encode_raw(text, size, bytes);
    value = json_stringn(text, BASE64_ENCODE_RAW_LENGTH(size));
    free(text);
    return value;
}

static json_t *strs_json(const struct strs *strs)
{
    json_t *array = json_array();

    for (size_t i = 0; i < strs->count; i++)
        json_array_append_new(array, lossy_text(strs->items[i]));
    return array;
}

static json_t *map_json(const struct map *map)
{
    json_t *object = json_object();

    for (size_t i = 0; i < map->count; i++)
        json_object_set_new(object, map->entries[i].key, json_string(map->entries[i].value));
    return object;
}

static json_t *list_json(const struct record *item, const struct list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, record_json(item, (const char *)list->items + i * item->size));
    return array;
}

static json_t *field_json(const struct field *field, const void *at)
{
    char text[TIME_TEXT_SIZE];

    switch (field->kind) {
    case KIND_STR:
    case KIND_PATH:
        return *(const char *const *)at ? lossy_text(*(const char *const *)at) : NULL;
    case KIND_BIN:
        return ((const struct bin *)at)->data ? json_base64(((const struct bin *)at)->data, ((const struct bin *)at)->size) : NULL;
    case KIND_I64:
        return json_integer(*(const int64_t *)at);
    case KIND_U64:
        if (*(const uint64_t *)at > INT64_MAX)
            return json_real((double)*(const uint64_t *)at);
        return json_integer((json_int_t) * (const uint64_t *)at);
    case KIND_F64:
        return isfinite(*(const double *)at) ? json_real(*(const double *)at) : json_null();
    case KIND_BOOL:
        return json_boolean(*(const bool *)at);
    case KIND_TIME:
        return json_string(time_text(*(const int64_t *)at, text));
    case KIND_MAP:
        return ((const struct map *)at)->count ? map_json(at) : NULL;
    case KIND_STRS:
    case KIND_PATHS:
        return ((const struct strs *)at)->count ? strs_json(at) : NULL;
    case KIND_REC:
        return *(const void *const *)at ? record_json(field->item(), *(const void *const *)at)
                                        : NULL;
    case KIND_LIST:
        return list_json(field->item(), at);
    }
    return NULL;
}

json_t *record_json(const struct record *record, const void *in)
{
    json_t *object = json_object();

    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];
        json_t *value;

        if (field->presence != 0 && !*(const bool *)((const char *)in + field->presence))
            continue;
        value = field_json(field, (const char *)in + field->offset);
        if (value != NULL)
            json_object_set_new(object, field->name, value);
    }
    return object;
}
