/*
 * dbus — as much of D-Bus as it takes to ask systemd's manager for a scope.
 *
 * Why not sd-bus: gantry-oci is one static program of a megabyte, and a static program cannot rely
 * on dlopen() (it would bring a second C library).  What is needed is little: a socket, four
 * methods whose arguments are written in order, and one signal that is waited for.  The wire
 * format is that of the D-Bus specification ("Message Protocol", "Authentication Protocol").
 */
#ifndef RUNTIME_DBUS_H
#define RUNTIME_DBUS_H

#include "protocol/record.h"

#define DBUS_MESSAGE_MAX (1u << 20) /* systemd's answers have a few hundred bytes */

struct dbus {
    int socket;
    uint32_t serial;
    char *message; /* the last one that came */
};

enum dbus_type { DBUS_CALL = 1, DBUS_REPLY = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };

struct dbus_message {
    enum dbus_type type;
    uint32_t reply_to;
    const char *member, *error; /* "" when it has none */
    const char *body;           /* until the next message comes */
    size_t size;
};

/* Connects with the manager of the system, or with that of the user who asks. */
int dbus_open(struct dbus *dbus, bool of_user, struct error *err);
void dbus_close(struct dbus *dbus); /* for CLEANUP() */
/* A method of the manager; waits for the answer.  An error of its own comes as its name in
   err->hint ("org.freedesktop.systemd1.UnitExists") and its words in err->text. */
int dbus_call(struct dbus *dbus, const char *method, const char *signature,
              const struct buffer *arguments, struct dbus_message *answer, struct error *err);
/* The next message. */
int dbus_next(struct dbus *dbus, struct dbus_message *message, struct error *err);

/* Arguments: each appends one value, aligned as its type wants it. */
void dbus_align(struct buffer *out, size_t to);
void dbus_u32(struct buffer *out, uint32_t value);
void dbus_u64(struct buffer *out, uint64_t value);
void dbus_text(struct buffer *out, const char *text);
void dbus_signature(struct buffer *out, const char *signature);
/* An array's elements come between them; `alignment` is that of an element. */
size_t dbus_array_open(struct buffer *out, size_t alignment);
void dbus_array_close(struct buffer *out, size_t opened, size_t alignment);

/* Reads the text or object path at *at of a body, and moves on; NULL: there is none. */
const char *dbus_read_text(const struct dbus_message *message, size_t *at);
bool dbus_read_u32(const struct dbus_message *message, size_t *at, uint32_t *value);

#endif
