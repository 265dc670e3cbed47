/* http_headers — foreign lines: each is bounded, and what makes no sense is absent. */
#include "actors/images/registry/http_headers.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCATION_MAX 8192
#define DAY_MS       (24u * 3600 * 1000)

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(const char *name, const char *line, size_t size)
{
    if (strlen(name) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower(line[i]) != name[i])
            return false;
    return true;
}

static void keep(char *out, size_t room, const char *value, size_t size)
{
    if (size >= room)
        size = 0;
    memcpy(out, value, size);
    out[size] = '\0';
}

static void keep_type(struct http_answer *answer, const char *value, size_t size)
{
    const char *end = memchr(value, ';', size);

    if (end != NULL)
        size = (size_t)(end - value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        size--;
    keep(answer->type, sizeof(answer->type), value, size);
    for (char *c = answer->type; *c != '\0'; c++)
        *c = lower(*c);
}

static void keep_range(struct http_answer *answer, const char *value, size_t size)
{
    char text[80];

    keep(text, sizeof(text), value, size);
    answer->has_range = content_range_parse(text, &answer->range_first, &answer->range_last,
                                            &answer->range_total) == 0;
}

static void keep_location(struct http_answer *answer, const char *value, size_t size)
{
    if (answer->location != NULL || size == 0 || size > LOCATION_MAX)
        return;
    answer->location = calloc(1, size + 1);
    if (answer->location != NULL)
        memcpy(answer->location, value, size);
}

/* Lines are kept apart, so a quote that one of them leaves open ends there. */
static void keep_line(char *out, size_t room, const char *value, size_t size)
{
    size_t used = strlen(out);

    if (size + 2 > room - used)
        return;
    memcpy(out + used, value, size);
    memcpy(out + used + size, "\n", 2);
}

static void begin_anew(struct http_answer *answer)
{
    free(answer->location);
    answer->location = NULL;
    answer->has_range = false;
    answer->type[0] = answer->digest[0] = answer->retry_after[0] = '\0';
    answer->warning[0] = answer->challenges[0] = '\0';
    answer->range[0] = answer->chunk_min[0] = answer->subject[0] = answer->link[0] = '\0';
    answer->tags[0] = '\0';
}

/* What registries say where something is sent to them, and of lists. */
static void keep_of_upload(struct http_answer *answer, const char *line, size_t name,
                           const char *value, size_t size)
{
    if (is_name("range", line, name))
        keep(answer->range, sizeof(answer->range), value, size);
    else if (is_name("oci-chunk-min-length", line, name))
        keep(answer->chunk_min, sizeof(answer->chunk_min), value, size);
    else if (is_name("oci-subject", line, name))
        keep(answer->subject, sizeof(answer->subject), value, size);
    else if (is_name("oci-tag", line, name))
        keep_line(answer->tags, sizeof(answer->tags), value, size);
    else if (is_name("link", line, name))
        keep(answer->link, sizeof(answer->link), value, size);
}

void http_headers_add(struct http_answer *answer, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    const char *value, *end = line + size;
    size_t name;

    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        begin_anew(answer);
        return;
    }
    if (colon == NULL)
        return;
    name = (size_t)(colon - line);
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]) != NULL && end[-1] != '\0')
        end--;
    size = (size_t)(end - value);

    if (memchr(value, '\0', size) != NULL)
        return;
    if (is_name("content-type", line, name))
        keep_type(answer, value, size);
    else if (is_name("content-range", line, name))
        keep_range(answer, value, size);
    else if (is_name("docker-content-digest", line, name))
        keep(answer->digest, sizeof(answer->digest), value, size);
    else if (is_name("location", line, name))
        keep_location(answer, value, size);
    else if (is_name("retry-after", line, name))
        keep(answer->retry_after, sizeof(answer->retry_after), value, size);
    else if (is_name("warning", line, name))
        keep(answer->warning, sizeof(answer->warning), value, size);
    else if (is_name("www-authenticate", line, name))
        keep_line(answer->challenges, sizeof(answer->challenges), value, size);
    else
        keep_of_upload(answer, line, name, value, size);
}

/* A decimal number below 2^63; the text behind it, or NULL. */
static const char *number(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (!is_digit(*text))
        return NULL;
    for (; is_digit(*text); text++) {
        if (value > ((uint64_t)INT64_MAX - 9) / 10)
            return NULL;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return text;
}

int upload_range_parse(const char *value, uint64_t *done)
{
    uint64_t first, last;

    if (strlen(value) > 6 && is_name("bytes=", value, 6))
        value += 6;
    value = number(value, &first);
    if (value == NULL || *value != '-' || first != 0)
        return -1;
    value = number(value + 1, &last);
    if (value == NULL || *value != '\0')
        return -1;
    *done = last > 0 ? last + 1 : 0; /* an upload without bytes has the range 0-0, too */
    return 0;
}

bool header_number(const char *value, uint64_t *out)
{
    const char *end = number(value, out);

    return end != NULL && *end == '\0';
}

int content_range_parse(const char *value, uint64_t *first, uint64_t *last, int64_t *total)
{
    uint64_t all = 0;

    if (strlen(value) < 6 || !is_name("bytes", value, 5) || value[5] != ' ')
        return -1;
    value = number(value + 6, first);
    if (value == NULL || *value != '-')
        return -1;
    value = number(value + 1, last);
    if (value == NULL || *value != '/' || *last < *first)
        return -1;
    if (strcmp(value, "/*") == 0) {
        *total = -1;
        return 0;
    }
    value = number(value + 1, &all);
    if (value == NULL || *value != '\0' || *last >= all)
        return -1;
    *total = (int64_t)all;
    return 0;
}

uint64_t retry_after_ms(const char *value, int64_t now_ns)
{
    uint64_t seconds;
    const char *end = number(value, &seconds);
    int64_t now_s = now_ns / 1000000000;
    time_t date;

    if (end != NULL && *end == '\0')
        return seconds < DAY_MS / 1000 ? seconds * 1000 : DAY_MS;
    date = curl_getdate(value, NULL);
    if (date == (time_t)-1 || (int64_t)date <= now_s)
        return 0;
    seconds = (uint64_t)((int64_t)date - now_s);
    return seconds < DAY_MS / 1000 ? seconds * 1000 : DAY_MS;
}
