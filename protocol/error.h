/*
 * error — what went wrong, in a form that can cross a thread or a socket.
 *
 * A `struct error` is a plain value on the caller's stack: setting one never
 * allocates, so reporting a failure cannot itself fail.  Functions that can
 * fail return 0 or -1 and take a `struct error *` last.  The setters return -1
 * so that a failure is one line:
 *
 *      return error_set(err, ERROR_NOT_FOUND, "no blob %s", digest);
 *
 * Programs switch on `code`; people read `text`, which names the thing and the
 * way out.  `hint` is a second sentence: what to try next.
 */
#ifndef PROTOCOL_ERROR_H
#define PROTOCOL_ERROR_H

#include <stdint.h>

/* The gRPC canonical codes, as words. */
#define ERROR_CODES(X)                                                               \
    X(CANCELLED,           "cancelled",           "the caller gave up or went away") \
    X(UNKNOWN,             "unknown",             "a peer failed without saying how")\
    X(INVALID_ARGUMENT,    "invalid_argument",    "the request is malformed")        \
    X(DEADLINE_EXCEEDED,   "deadline_exceeded",   "the request's time ran out")      \
    X(NOT_FOUND,           "not_found",           "the named thing does not exist")  \
    X(ALREADY_EXISTS,      "already_exists",      "the name is taken")               \
    X(PERMISSION_DENIED,   "permission_denied",   "this key may not do that")        \
    X(RESOURCE_EXHAUSTED,  "resource_exhausted",  "a limit is reached; see retry_ms")\
    X(FAILED_PRECONDITION, "failed_precondition", "not in this state")               \
    X(ABORTED,             "aborted",             "lost against a concurrent change")\
    X(OUT_OF_RANGE,        "out_of_range",        "beyond the end")                  \
    X(UNIMPLEMENTED,       "unimplemented",       "there is no such operation")      \
    X(INTERNAL,            "internal",            "a bug or a failing system; see os") \
    X(UNAVAILABLE,         "unavailable",         "not reachable now, perhaps later")\
    X(DATA_LOSS,           "data_loss",           "what is stored or sent is corrupt") \
    X(UNAUTHENTICATED,     "unauthenticated",     "no known key or credentials")

enum error_code {
    ERROR_NONE,
#define X(name, wire, doc) ERROR_##name,
    ERROR_CODES(X)
#undef X
};

struct error {
    enum error_code code;
    int os;            /* errno or GetLastError(), 0 when not from the system */
    uint64_t retry_ms; /* RESOURCE_EXHAUSTED, UNAVAILABLE: try again after; 0 = not said */
    char text[384];    /* for a person; outermost context first */
    char hint[128];    /* for a person: the way out, "" when the text says it */
};

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#ifdef __cplusplus /* the configuration is read by a C++ library */
extern "C" {
#endif

/* Set, or replace, the error.  All return -1. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int error_sys(struct error *err, int os, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put context in front: "pull alpine: " + text. */
int error_wrap(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
int error_hint(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The wire's word for a code, and back (ERROR_UNKNOWN for words not known). */
const char *error_code_name(enum error_code code);
enum error_code error_code_of_name(const char *name);

#ifdef __cplusplus
}
#endif

#endif
