/* What a server says about a failure: numbers to our codes, and words fit to be shown. */
#include "platform/linux/plugin/grpc.h"

#include <ctype.h>
#include <string.h>

#include "platform/scope.h"
#include "protocol/record.h"

enum error_code grpc_code(unsigned long status)
{
    static const enum error_code codes[] = {
        ERROR_NONE,
        ERROR_CANCELLED,
        ERROR_UNKNOWN,
        ERROR_INVALID_ARGUMENT,
        ERROR_DEADLINE_EXCEEDED,
        ERROR_NOT_FOUND,
        ERROR_ALREADY_EXISTS,
        ERROR_PERMISSION_DENIED,
        ERROR_RESOURCE_EXHAUSTED,
        ERROR_FAILED_PRECONDITION,
        ERROR_ABORTED,
        ERROR_OUT_OF_RANGE,
        ERROR_UNIMPLEMENTED,
        ERROR_INTERNAL,
        ERROR_UNAVAILABLE,
        ERROR_DATA_LOSS,
        ERROR_UNAUTHENTICATED,
    };

    return status < COUNT_OF(codes) ? codes[status] : ERROR_UNKNOWN;
}

/* containerd's errdefs wraps its classes as last words; the code says the same. */
static const char *const classes[] = {
    "unknown",
    "invalid argument",
    "not found",
    "already exists",
    "permission denied",
    "unavailable",
    "failed precondition",
    "conflict",
    "not modified",
    "not implemented",
    "aborted",
    "out of range",
    "internal",
    "data loss",
    "unauthenticated",
    "resource exhausted",
};

static void class_cut(char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        size_t size = strlen(classes[i]);

        if (length > size + 2 && strcmp(text + length - size, classes[i]) == 0 &&
            memcmp(text + length - size - 2, ": ", 2) == 0) {
            text[length - size - 2] = '\0';
            return class_cut(text);
        }
    }
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void grpc_text(const char *message, char *text, size_t room)
{
    size_t have = 0;

    for (; *message != '\0' && have + 1 < room; message++) {
        unsigned char c = (unsigned char)*message;

        if (c == '%' && digit_of(message[1]) >= 0 && digit_of(message[2]) >= 0) {
            c = (unsigned char)(digit_of(message[1]) << 4 | digit_of(message[2]));
            message += 2;
        }
        text[have++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    text[have] = '\0';
    while (have > 0 && text[have - 1] == ' ')
        text[--have] = '\0';
    for (size_t i = 0; !utf8_is_valid(text, have) && i < have; i++)
        if ((unsigned char)text[i] >= 0x80)
            text[i] = '?';
    class_cut(text);
}
