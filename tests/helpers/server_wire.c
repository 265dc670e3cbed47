/* server_wire — HTTP/1.1 as far as a test needs it, and the ways to break it off. */
#include "tests/helpers/server_wire.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define HEAD_MAX   (64 << 10)
#define BODY_MAX   (64u << 20)
#define SLOW_BLOCK (8u << 10)

static char *copy(const char *data, size_t size)
{
    char *out = calloc(1, size + 1);

    if (out == NULL)
        abort();
    memcpy(out, data, size);
    return out;
}

/* ---- bytes --------------------------------------------------------------------- */

static bool put(struct wire *wire, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t sent;

        if (wire->tls != NULL)
            sent = SSL_write(wire->tls, at, size < (1 << 20) ? (int)size : 1 << 20);
        else
            sent = send(wire->socket, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

static ssize_t get(struct wire *wire, void *data, size_t room)
{
    if (wire->tls != NULL)
        return SSL_read(wire->tls, data, (int)room);
    return recv(wire->socket, data, room, 0);
}

/* Until the empty line. */
char *wire_read_head(struct wire *wire)
{
    char *head = calloc(1, HEAD_MAX + 1);
    size_t used = 0;

    if (head == NULL)
        abort();
    while (used < HEAD_MAX && get(wire, head + used, 1) == 1) {
        used++;
        if (used == 1 && !isupper((unsigned char)head[0])) {
            put(wire, "HTTP/1.0 400 Bad Request\r\n\r\n", 28);
            break;
        }
        if (used >= 4 && memcmp(head + used - 4, "\r\n\r\n", 4) == 0)
            return head;
    }
    free(head);
    return NULL;
}

static void set_reset(struct wire *wire)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(wire->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static size_t body_size(const char *head)
{
    char *text = head_value(head, "content-length");
    size_t size = text != NULL ? strtoul(text, NULL, 10) : 0;

    free(text);
    if (size > BODY_MAX)
        abort();
    return size;
}

bool wire_read_body(struct wire *wire, const char *head, const struct server_reply *reply,
                    char **body, size_t *size)
{
    size_t length = body_size(head), wanted = length;
    bool cut = reply != NULL && reply->take > 0 && reply->take < length;
    char *expects = head_value(head, "expect");

    *size = 0;
    *body = calloc(1, length + 1);
    if (*body == NULL)
        abort();
    if (reply != NULL && reply->early)
        wanted = 0;
    else if (expects != NULL)
        put(wire, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    free(expects);
    if (cut)
        wanted = reply->take;
    while (*size < wanted) {
        ssize_t got = get(wire, *body + *size, wanted - *size);

        if (got <= 0)
            return false;
        *size += (size_t)got;
    }
    if (cut && reply->reset)
        set_reset(wire);
    return !cut;
}

char *head_path(const char *head)
{
    const char *start = strchr(head, ' ');

    if (start == NULL)
        return copy("", 0);
    start++;
    return copy(start, strcspn(start, " ?\r\n"));
}

char *head_value(const char *head, const char *name)
{
    const char *line = strstr(head, "\r\n");
    size_t size = strlen(name);

    if (strcmp(name, "method") == 0)
        return copy(head, strcspn(head, " "));
    if (strcmp(name, "target") == 0) {
        const char *start = strchr(head, ' ');

        return start != NULL ? copy(start + 1, strcspn(start + 1, " \r\n")) : NULL;
    }
    for (; line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, size) == 0 && line[2 + size] == ':') {
            const char *value = line + 3 + size + strspn(line + 3 + size, " ");

            return copy(value, strcspn(value, "\r\n"));
        }
    return NULL;
}

/* ---- replies ----------------------------------------------------------------------- */

static bool put_head(struct wire *wire, int status, const char *headers, const char *more)
{
    char line[400];

    snprintf(line, sizeof(line), "HTTP/1.1 %d Test\r\n%s", status, more);
    return put(wire, line, strlen(line)) &&
           (headers == NULL || put(wire, headers, strlen(headers))) && put(wire, "\r\n", 2);
}

/* What is asked for by HEAD has no body, whatever its length. */
static bool wants_body(const char *head)
{
    return strncmp(head, "HEAD ", 5) != 0;
}

bool wire_not_found(struct wire *wire, const char *head)
{
    static const char body[] = "{\"errors\":[{\"code\":\"NAME_UNKNOWN\","
                               "\"message\":\"repository name not known to registry\"}]}";
    char more[100];

    snprintf(more, sizeof(more), "Content-Type: application/json\r\nContent-Length: %zu\r\n",
             strlen(body));
    return put_head(wire, 404, NULL, more) && (!wants_body(head) || put(wire, body, strlen(body)));
}

bool wire_challenge(struct wire *wire, const struct server_reply *reply, const char *head)
{
    static const char body[] = "{\"errors\":[{\"code\":\"UNAUTHORIZED\","
                               "\"message\":\"authentication required\"}]}";
    char lines[4096] = "", more[64];
    const char *at = reply->challenge;

    while (at != NULL && *at != '\0') {
        size_t size = strcspn(at, "\n"), used = strlen(lines);

        snprintf(lines + used, sizeof(lines) - used, "WWW-Authenticate: %.*s\r\n", (int)size, at);
        at += size + (at[size] == '\n');
    }
    snprintf(more, sizeof(more), "Content-Length: %zu\r\n", strlen(body));
    return put_head(wire, 401, lines, more) && (!wants_body(head) || put(wire, body, strlen(body)));
}

void wire_wait_for_end(struct wire *wire)
{
    char byte;

    while (get(wire, &byte, 1) > 0)
        ;
}

/* As a slow line would have it. */
static bool put_slowly(struct wire *wire, const char *body, size_t size, unsigned pause_ms)
{
    const struct timespec pause = { .tv_nsec = (long)pause_ms * 1000000 };

    for (size_t part; size > 0; body += part, size -= part) {
        part = size < SLOW_BLOCK ? size : SLOW_BLOCK;
        if (!put(wire, body, part))
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static bool put_body(struct wire *wire, const struct server_reply *reply, const char *body,
                     size_t size)
{
    size_t part = reply->cut && reply->cut_after < size ? reply->cut_after : size;
    char line[40];

    if (reply->chunked) {
        snprintf(line, sizeof(line), "%zx\r\n", part);
        if (part > 0 &&
            (!put(wire, line, strlen(line)) || !put(wire, body, part) || !put(wire, "\r\n", 2)))
            return false;
        if (!reply->cut)
            return put(wire, "0\r\n\r\n", 5);
    } else if (reply->pause_ms > 0 ? !put_slowly(wire, body, part, reply->pause_ms)
                                   : !put(wire, body, part)) {
        return false;
    }
    if (!reply->cut)
        return true;
    if (reply->hold)
        wire_wait_for_end(wire);
    if (reply->reset)
        set_reset(wire);
    return false;
}

bool wire_reply(struct wire *wire, const struct server_reply *reply, const char *head)
{
    char *range, more[200] = "";
    int status = reply->status != 0 ? reply->status : 200;
    const char *body = reply->body;
    size_t size = reply->size, end = size, first = 0, last = SIZE_MAX;

    if (reply->raw != NULL) {
        put(wire, reply->raw, reply->raw_size);
        return false;
    }
    range = head_value(head, "range");
    if (reply->ranges && range != NULL && sscanf(range, "bytes=%zu-%zu", &first, &last) >= 1) {
        if (first >= size) {
            snprintf(more, sizeof(more), "Content-Range: bytes */%zu\r\n", size);
            status = 416;
            first = end = size;
        } else {
            end = last < size ? last + 1 : size;
            snprintf(more, sizeof(more), "Content-Range: bytes %zu-%zu/%zu\r\n", first, end - 1,
                     size);
            status = 206;
        }
    }
    free(range);
    if (reply->chunked)
        strcat(more, "Transfer-Encoding: chunked\r\n");
    else
        snprintf(more + strlen(more), 60, "Content-Length: %zu\r\n", end - first);
    return put_head(wire, status, reply->headers, more) &&
           (!wants_body(head) || put_body(wire, reply, body + first, end - first)) && !reply->early;
}
