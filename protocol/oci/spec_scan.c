/* See spec_scan.h. */
#include "protocol/oci/spec_scan.h"

#include <string.h>

#define DEPTH_MAX 64

static const char *blanks_skip(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* `at` is on the opening quote; behind the closing one, or `end`. */
static const char *literal_skip(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

/* Behind the value that begins at `at`; NULL: nested too deep. */
static const char *value_skip(const char *at, const char *end)
{
    int depth = 0;

    while (at < end) {
        if (*at == '"') {
            at = literal_skip(at, end);
        } else if (*at == '{' || *at == '[') {
            if (++depth > DEPTH_MAX)
                return NULL;
            at++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0)
                return at; /* of what is around it: a number or a word has ended */
            depth--;
            at++;
        } else if (*at == ',' && depth == 0) {
            return at;
        } else {
            at++;
            continue; /* in a number or a word, or between things */
        }
        if (depth == 0)
            return at;
    }
    return end;
}

/* The value of a member of the object that begins at `at`. */
static const char *member_find(const char *at, const char *end, const char *key)
{
    size_t length = strlen(key);

    at = blanks_skip(at, end);
    if (at == end || *at != '{')
        return NULL;
    at = blanks_skip(at + 1, end);
    while (at < end && *at == '"') {
        const char *name = at + 1, *after = literal_skip(at, end);
        bool is_it = (size_t)(after - name) == length + 1 && memcmp(name, key, length) == 0;

        at = blanks_skip(after, end);
        if (at == end || *at != ':')
            return NULL;
        at = blanks_skip(at + 1, end);
        if (is_it)
            return at;
        at = value_skip(at, end);
        if (at == NULL)
            return NULL;
        at = blanks_skip(at, end);
        if (at < end && *at == ',')
            at = blanks_skip(at + 1, end);
    }
    return NULL;
}

bool spec_scan_seccomp(const char *text, size_t size, size_t *begin, size_t *end)
{
    const char *stop = text + size, *at = member_find(text, stop, "linux"), *behind;

    if (at != NULL)
        at = member_find(at, stop, "seccomp");
    if (at == NULL || at == stop || *at != '{')
        return false;
    behind = value_skip(at, stop);
    if (behind == NULL || behind[-1] != '}')
        return false;
    *begin = (size_t)(at - text);
    *end = (size_t)(behind - text);
    return true;
}
