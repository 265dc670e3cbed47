/* See dbus.h. */
#include "platform/linux/runtime/dbus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS   30000
#define MANAGER     "org.freedesktop.systemd1"
#define OBJECT      "/org/freedesktop/systemd1"
#define BUS         "org.freedesktop.DBus"
#define BUS_OBJECT  "/org/freedesktop/DBus"
#define PRIVATE     "/systemd/private" /* below /run, or the user's folder there */
#define LITTLE      (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#define HEADER_SIZE 16 /* with the length of the array of fields */

/* ---- writing ------------------------------------------------------------------------- */

void dbus_align(struct buffer *out, size_t to)
{
    static const char zeros[8];

    buffer_add(out, zeros, (to - out->size % to) % to);
}

void dbus_u32(struct buffer *out, uint32_t value)
{
    dbus_align(out, sizeof(value));
    buffer_add(out, &value, sizeof(value));
}

void dbus_u64(struct buffer *out, uint64_t value)
{
    dbus_align(out, sizeof(value));
    buffer_add(out, &value, sizeof(value));
}

void dbus_text(struct buffer *out, const char *text)
{
    dbus_u32(out, (uint32_t)strlen(text));
    buffer_add(out, text, strlen(text) + 1);
}

void dbus_signature(struct buffer *out, const char *signature)
{
    uint8_t size = (uint8_t)strlen(signature);

    buffer_add(out, &size, 1);
    buffer_add(out, signature, (size_t)size + 1);
}

size_t dbus_array_open(struct buffer *out, size_t alignment)
{
    size_t opened;

    dbus_u32(out, 0);
    opened = out->size;
    dbus_align(out, alignment);
    return opened;
}

/* The length does not count what aligns the first element. */
void dbus_array_close(struct buffer *out, size_t opened, size_t alignment)
{
    size_t first = (opened + alignment - 1) / alignment * alignment;
    uint32_t size = (uint32_t)(out->size - first);

    memcpy(out->data + opened - sizeof(size), &size, sizeof(size));
}

static void field_put(struct buffer *out, uint8_t code, const char *type, const char *value)
{
    dbus_align(out, 8);
    buffer_add(out, &code, 1);
    dbus_signature(out, type);
    if (type[0] == 'g')
        dbus_signature(out, value);
    else
        dbus_text(out, value);
}

static int send_all(int socket, const char *bytes, size_t size, struct error *err)
{
    while (size > 0) {
        ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR)
            return error_sys(err, errno, "ask systemd");
        bytes += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

static int call_send(struct dbus *dbus, const char *to, const char *object, const char *method,
                     const char *signature, const struct buffer *arguments, struct error *err)
{
    const uint8_t beginning[4] = { LITTLE ? 'l' : 'B', DBUS_CALL, 0, 1 };
    struct buffer out = { 0 };
    size_t fields;
    int done;

    buffer_add(&out, beginning, sizeof(beginning));
    dbus_u32(&out, (uint32_t)arguments->size);
    dbus_u32(&out, ++dbus->serial);
    fields = dbus_array_open(&out, 8);
    field_put(&out, 1, "o", object);
    field_put(&out, 2, "s", strcmp(to, BUS) == 0 ? BUS : MANAGER ".Manager");
    field_put(&out, 3, "s", method);
    field_put(&out, 6, "s", to);
    if (signature[0] != '\0')
        field_put(&out, 8, "g", signature);
    dbus_array_close(&out, fields, 8);
    dbus_align(&out, 8);
    buffer_add(&out, arguments->data, arguments->size);
    done = send_all(dbus->socket, out.data, out.size, err);
    buffer_free(&out);
    return done;
}

/* ---- reading ------------------------------------------------------------------------- */

static int receive(int socket, char *bytes, size_t size, struct error *err)
{
    struct pollfd ready = { .fd = socket, .events = POLLIN };

    while (size > 0) {
        ssize_t got = -1;

        if (poll(&ready, 1, ANSWER_MS) == 0)
            return error_set(err, ERROR_DEADLINE_EXCEEDED, "systemd does not answer");
        got = recv(socket, bytes, size, 0);
        if (got == 0)
            return error_set(err, ERROR_UNAVAILABLE, "systemd closed the connection");
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return error_sys(err, errno, "read systemd's answer");
        bytes += got > 0 ? got : 0;
        size -= got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static bool take(const char *bytes, size_t size, size_t *at, size_t align, void *out, size_t wanted)
{
    size_t from = (*at + align - 1) / align * align;

    if (from > size || size - from < wanted)
        return false;
    memcpy(out, bytes + from, wanted);
    *at = from + wanted;
    return true;
}

/* A text with a length of four bytes, or (signatures) one, and a NUL behind it. */
static const char *take_text(const char *bytes, size_t size, size_t *at, bool is_signature)
{
    uint32_t length = 0;
    uint8_t small;
    const char *text;

    if (is_signature ? !take(bytes, size, at, 1, &small, 1) : !take(bytes, size, at, 4, &length, 4))
        return NULL;
    if (is_signature)
        length = small;
    if (size - *at <= length || bytes[*at + length] != '\0')
        return NULL;
    text = bytes + *at;
    *at += length + 1;
    return text;
}

const char *dbus_read_text(const struct dbus_message *message, size_t *at)
{
    return take_text(message->body, message->size, at, false);
}

bool dbus_read_u32(const struct dbus_message *message, size_t *at, uint32_t *value)
{
    return take(message->body, message->size, at, 4, value, sizeof(*value));
}

/* The fields of a header: pairs of a code and a variant, of which four types occur. */
static bool fields_read(const char *bytes, size_t size, struct dbus_message *message)
{
    uint8_t code;

    for (size_t at = 0; at < size;) {
        const char *type, *text = NULL;
        uint32_t number = 0;

        if (!take(bytes, size, &at, 8, &code, 1) ||
            (type = take_text(bytes, size, &at, true)) == NULL)
            return false;
        if (type[0] == 'u' ? !take(bytes, size, &at, 4, &number, 4)
                           : (text = take_text(bytes, size, &at, type[0] == 'g')) == NULL)
            return false;
        if (code == 3)
            message->member = text;
        else if (code == 4)
            message->error = text;
        else if (code == 5)
            message->reply_to = number;
    }
    return message->member != NULL && message->error != NULL;
}

int dbus_next(struct dbus *dbus, struct dbus_message *message, struct error *err)
{
    uint8_t head[HEADER_SIZE];
    uint32_t body, fields;
    size_t rest;

    if (receive(dbus->socket, (char *)head, sizeof(head), err) < 0)
        return -1;
    memcpy(&body, head + 4, sizeof(body));
    memcpy(&fields, head + 12, sizeof(fields));
    if (head[0] != (LITTLE ? 'l' : 'B') || body > DBUS_MESSAGE_MAX || fields > DBUS_MESSAGE_MAX)
        return error_set(err, ERROR_INTERNAL, "systemd's answer is not understood");
    rest = (fields + 7) / 8 * 8;
    free(dbus->message);
    dbus->message = malloc(rest + body + 1);
    if (dbus->message == NULL)
        return error_sys(err, ENOMEM, "read systemd's answer");
    if (receive(dbus->socket, dbus->message, rest + body, err) < 0)
        return -1;
    *message = (struct dbus_message){
        .type = (enum dbus_type)head[1],
        .member = "",
        .error = "",
        .body = dbus->message + rest,
        .size = body,
    };
    /* the array begins at 16, so what is aligned in it is aligned from its beginning */
    if (!fields_read(dbus->message, fields, message))
        return error_set(err, ERROR_INTERNAL, "systemd's answer is not understood");
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------ */

static int answer_wait(struct dbus *dbus, struct dbus_message *answer, struct error *err)
{
    size_t at = 0;
    const char *words;

    do {
        if (dbus_next(dbus, answer, err) < 0)
            return -1;
    } while (answer->reply_to != dbus->serial ||
             (answer->type != DBUS_REPLY && answer->type != DBUS_ERROR));
    if (answer->type == DBUS_REPLY)
        return 0;
    words = dbus_read_text(answer, &at);
    error_set(err, ERROR_FAILED_PRECONDITION, "%.200s", words != NULL ? words : answer->error);
    return error_hint(err, "%.100s", answer->error);
}

int dbus_call(struct dbus *dbus, const char *method, const char *signature,
              const struct buffer *arguments, struct dbus_message *answer, struct error *err)
{
    if (call_send(dbus, MANAGER, OBJECT, method, signature, arguments, err) < 0)
        return -1;
    return answer_wait(dbus, answer, err);
}

/* ---- connections --------------------------------------------------------------------------- */

/* EXTERNAL: the kernel tells who we are, so that nothing need be said (which in a user namespace
   would be wrong).  All in one go; the answer is "DATA" and "OK guid". */
static int authenticate(int socket, struct error *err)
{
    static const char words[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
    char line[256];
    size_t size = 0;

    if (send_all(socket, words, sizeof(words) - 1, err) < 0)
        return -1;
    while (size < sizeof(line) - 1) {
        if (receive(socket, line + size, 1, err) < 0)
            return -1;
        if (line[size++] != '\n')
            continue;
        line[size] = '\0';
        if (strncmp(line, "OK", 2) == 0)
            return 0;
        if (strncmp(line, "DATA", 4) != 0)
            break;
        size = 0;
    }
    return error_set(err, ERROR_PERMISSION_DENIED, "systemd does not let us in");
}

static int socket_open(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = -1;

    if (strlen(path) < sizeof(address.sun_path)) {
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int why = errno;

        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* On a bus we have to say hello, and to ask for signals; on systemd's own socket neither. */
static int bus_join(struct dbus *dbus, struct error *err)
{
    struct buffer rule = { 0 }, nothing = { 0 };
    struct dbus_message answer;
    int done;

    dbus_text(&rule, "type='signal',interface='" MANAGER ".Manager',member='JobRemoved'");
    done = call_send(dbus, BUS, BUS_OBJECT, "Hello", "", &nothing, err);
    if (done == 0)
        done = answer_wait(dbus, &answer, err);
    if (done == 0)
        done = call_send(dbus, BUS, BUS_OBJECT, "AddMatch", "s", &rule, err);
    if (done == 0)
        done = answer_wait(dbus, &answer, err);
    buffer_free(&rule);
    return done < 0 ? -1 : dbus_call(dbus, "Subscribe", "", &nothing, &answer, err);
}

int dbus_open(struct dbus *dbus, bool of_user, struct error *err)
{
    const char *run = of_user ? getenv("XDG_RUNTIME_DIR") : "/run";
    char path[256];
    bool bus = false;

    *dbus = (struct dbus){ .socket = -1 };
    if (run == NULL)
        return error_set(
            err, ERROR_FAILED_PRECONDITION,
            "the systemd cgroup driver needs XDG_RUNTIME_DIR to find the user's systemd");
    snprintf(path, sizeof(path), "%.200s" PRIVATE, run);
    dbus->socket = socket_open(path);
    if (dbus->socket < 0) {
        bus = true;
        snprintf(path, sizeof(path), "%.200s%s", run, of_user ? "/bus" : "/dbus/system_bus_socket");
        dbus->socket = socket_open(path);
    }
    if (dbus->socket < 0)
        return error_sys(err, errno,
                         "the systemd cgroup driver needs systemd, which does not run here: %.200s"
                         "%s and %s",
                         run, PRIVATE, path);
    if (authenticate(dbus->socket, err) < 0 || (bus && bus_join(dbus, err) < 0)) {
        dbus_close(dbus);
        return -1;
    }
    return 0;
}

void dbus_close(struct dbus *dbus)
{
    if (dbus->socket >= 0)
        close(dbus->socket);
    free(dbus->message);
    *dbus = (struct dbus){ .socket = -1 };
}
