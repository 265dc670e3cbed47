/* error — setting, wrapping and naming errors; see error.h. */
#include "protocol/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/record.h"

static enum error_code code_of_errno(int os)
{
    switch (os) {
    case ENOENT:
    case ESRCH:
        return ERROR_NOT_FOUND;
    case EEXIST:
        return ERROR_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
        return ERROR_PERMISSION_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return ERROR_RESOURCE_EXHAUSTED;
    case ENAMETOOLONG:
    case EINVAL:
        return ERROR_INVALID_ARGUMENT;
    case ETIMEDOUT:
        return ERROR_DEADLINE_EXCEEDED;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return ERROR_UNAVAILABLE;
    default:
        return ERROR_INTERNAL;
    }
}

/*
 * Texts travel as UTF-8 and end on terminals, but may carry names of files and be cut
 * anywhere: a byte that is not part of a character, or would steer a terminal, becomes '?'.
 */
static void clean(char *text)
{
    size_t length = strlen(text), size;

    for (char *end = text + length; text < end; text += size) {
        unsigned char c = (unsigned char)*text;

        for (size = 1; size < 4 && !utf8_is_valid(text, size); size++)
            ;
        if (text + size > end || !utf8_is_valid(text, size))
            size = 1, *text = '?';
        else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            *text = '?';
        else if (c == 0xc2 && (unsigned char)text[1] < 0xa0) /* the other control characters */
            text[0] = text[1] = '?';
    }
}

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    va_list args;

    err->code = code;
    err->os = 0;
    err->retry_ms = 0;
    err->hint[0] = '\0';
    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    clean(err->text);
    return -1;
}

int error_sys(struct error *err, int os, const char *fmt, ...)
{
    char what[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    error_set(err, code_of_errno(os), "%s: %s", what, strerror(os));
    err->os = os;
    return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    char inner[sizeof(err->text)], outer[128];
    va_list args;

    va_start(args, fmt);
    vsnprintf(outer, sizeof(outer), fmt, args);
    va_end(args);
    memcpy(inner, err->text, sizeof(inner));
    snprintf(err->text, sizeof(err->text), "%s: %.250s", outer, inner);
    clean(err->text);
    return -1;
}

int error_hint(struct error *err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(err->hint, sizeof(err->hint), fmt, args);
    va_end(args);
    clean(err->hint);
    return -1;
}

const char *error_code_name(enum error_code code)
{
    switch (code) {
#define X(name, wire, doc) \
    case ERROR_##name:     \
        return wire;
        ERROR_CODES(X)
#undef X
    case ERROR_NONE:
        break;
    }
    return "none";
}

enum error_code error_code_of_name(const char *name)
{
#define X(id, wire, doc)             \
    if (name && !strcmp(name, wire)) \
        return ERROR_##id;
    ERROR_CODES(X)
#undef X
    return ERROR_UNKNOWN;
}
