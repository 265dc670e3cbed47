/*
 * shown — foreign text made fit for a message: cut to length, no control
 * characters (they would drive a terminal), valid UTF-8.
 */
#ifndef PROTOCOL_OCI_SHOWN_H
#define PROTOCOL_OCI_SHOWN_H

#include <stddef.h>

struct shown {
    char text[68]; /* 64 bytes, or 61 and "..." */
};

/* Fills `out` and returns its text; for arguments of error_set(). */
const char *shown(const char *text, struct shown *out);
const char *shown_bytes(const char *bytes, size_t size, struct shown *out);

/* Printable ASCII on one line, cut to `room` with its NUL.  Returns `out`. */
const char *plain_text(const char *in, size_t size, char *out, size_t room);

#endif
