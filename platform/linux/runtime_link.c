/*
 * runtime_link — connections to a shim: one packet in, one packet out, nothing waits.
 *
 * A link carries questions, answers and news; a stream carries the bytes of one process,
 * and the shim sees in its full socket that we do not read.  Both begin with the shim's
 * hello.  A peer that closes while we were sending makes the kernel report a reset before
 * it hands out what was received: that is read first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/runtime.h"
#include "platform/scope.h"
#include "protocol/shim_wire.h"

#define PROTOCOL_NEWEST 1
#define PROTOCOL_OLDEST 1

/* ---- the connection --------------------------------------------------------- */

/* By way of the folder's descriptor: the address of a socket takes 107 bytes, a folder may
   lie deeper. */
static int connect_in(const char *folder, int at, int socket_fd, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/sock", at);
    if (connect(socket_fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    if (errno == ECONNREFUSED)
        return error_set(err, ERROR_UNAVAILABLE, "the shim of %s is dead", folder);
    if (errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "no shim listens in %s", folder);
    if (errno == EAGAIN)
        return error_set(err, ERROR_UNAVAILABLE, "the shim of %s does not answer", folder);
    return error_sys(err, errno, "connect to the shim of %s", folder);
}

static int shim_connect(const char *folder, struct error *err)
{
    CLEANUP(file_close) int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int socket_fd;

    if (hook_platform_call("shim connect", err))
        return -1;
    if (at < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "no task folder %s", folder);
    if (at < 0)
        return error_sys(err, errno, "task folder %s", folder);
    socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_fd < 0)
        return error_sys(err, errno, "socket");
    if (connect_in(folder, at, socket_fd, err) < 0)
        file_close(&socket_fd);
    return socket_fd;
}

static int hello_check(const void *bytes, size_t size, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct shim_hello hello;

    if (record_unpack(shim_hello_record(), RECORD_LENIENT, bytes, size, &hello, arena, err) < 0)
        return -1;
    if (hello.protocol < PROTOCOL_OLDEST || hello.protocol > PROTOCOL_NEWEST)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "the shim (%s) speaks protocol %llu, this daemon knows %d to %d",
                         hello.version, (unsigned long long)hello.protocol, PROTOCOL_OLDEST,
                         PROTOCOL_NEWEST);
    return 0;
}

/* > 0: size of the packet; 0: nothing now; -1: gone.  A hello is checked here. */
static ssize_t packet_receive(int socket_fd, char *packet, struct error *err)
{
    ssize_t size;

    do {
        size = recv(socket_fd, packet, SHIM_PACKET_MAX + 1, 0);
    } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size <= 0)
        return error_set(err, ERROR_UNAVAILABLE, "the shim closed the connection");
    if ((size_t)size > SHIM_PACKET_MAX)
        return error_set(err, ERROR_DATA_LOSS, "the shim sent a packet over %u bytes",
                         SHIM_PACKET_MAX);
    if (packet[0] != SHIM_HELLO)
        return size;
    if (hello_check(packet + 1, (size_t)size - 1, err) < 0)
        return -1;
    return packet_receive(socket_fd, packet, err);
}

static int packet_send(int socket_fd, enum shim_packet kind, const void *record, struct error *err)
{
    CLEANUP(buffer_free) struct buffer packet = { 0 };

    if (hook_platform_call("shim send", err))
        return -1;
    shim_packet_add(kind, record, &packet);
    if (packet.size > SHIM_PACKET_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "message of %zu bytes does not fit into a packet", packet.size);
    if (send(socket_fd, packet.data, packet.size, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN)
        return error_set(err, ERROR_UNAVAILABLE, "the shim does not read its socket");
    return error_set(err, ERROR_UNAVAILABLE, "the shim closed the connection");
}

static int tell_read(const char *packet, size_t size, struct arena *arena, struct shim_tell *tell,
                     struct error *err)
{
    if (packet[0] != SHIM_TELL)
        return error_set(err, ERROR_DATA_LOSS, "the shim sent a packet of kind %d", packet[0]);
    return record_unpack(shim_tell_record(), RECORD_LENIENT, packet + 1, size - 1, tell, arena,
                         err);
}

/* ---- links -------------------------------------------------------------------- */

struct task_link {
    int socket_fd;
};

struct task_link *task_link_open(const char *folder, struct error *err)
{
    struct task_link *link;
    int socket_fd = shim_connect(folder, err);

    if (socket_fd < 0)
        return NULL;
    link = calloc(1, sizeof(*link));
    if (link == NULL)
        abort();
    link->socket_fd = socket_fd;
    return link;
}

int task_link_fd(const struct task_link *link)
{
    return link->socket_fd;
}

int task_link_send(struct task_link *link, const struct shim_ask *ask, struct error *err)
{
    return packet_send(link->socket_fd, SHIM_ASK, ask, err);
}

int task_link_receive(struct task_link *link, struct arena *arena, struct shim_tell *tell,
                      struct error *err)
{
    char packet[SHIM_PACKET_MAX + 1]; /* a link is idle for days: it keeps none */
    ssize_t size = packet_receive(link->socket_fd, packet, err);

    if (size <= 0)
        return (int)size;
    hook_platform_point("shim told");
    return tell_read(packet, (size_t)size, arena, tell, err) < 0 ? -1 : 1;
}

void task_link_close(struct task_link **link)
{
    if (*link == NULL)
        return;
    close((*link)->socket_fd);
    free(*link);
    *link = NULL;
}

/* ---- streams -------------------------------------------------------------------- */

struct task_stream {
    int socket_fd;
    struct arena *arena; /* of the last item */
    bool is_arena_used;  /* not for data, as a rule: that is handed out where it lies */
    char packet[SHIM_PACKET_MAX + 1];
};

struct task_stream *task_stream_open(const char *folder, const struct shim_ask *attach,
                                     struct error *err)
{
    struct shim_ask ask = *attach;
    struct task_stream *stream;
    int socket_fd = shim_connect(folder, err);

    if (socket_fd < 0)
        return NULL;
    ask.what = "attach";
    if (packet_send(socket_fd, SHIM_ASK, &ask, err) < 0) {
        close(socket_fd);
        return NULL;
    }
    stream = malloc(sizeof(*stream));
    if (stream == NULL)
        abort();
    stream->socket_fd = socket_fd;
    stream->arena = arena_new();
    stream->is_arena_used = false;
    return stream;
}

int task_stream_fd(const struct task_stream *stream)
{
    return stream->socket_fd;
}

int task_stream_send(struct task_stream *stream, const void *bytes, size_t size, bool is_last,
                     struct error *err)
{
    char head[SHIM_HEAD_MAX];
    struct iovec pieces[2] = { { head, 0 }, { (void *)(uintptr_t)bytes, size } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = size > 0 ? 2 : 1 };

    if (size > TASK_DATA_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "more than %u bytes in one packet",
                         TASK_DATA_MAX);
    pieces[0].iov_len = shim_data_head("stdin", size, is_last, head);
    if (sendmsg(stream->socket_fd, &message, MSG_NOSIGNAL) >= 0)
        return 1;
    if (errno == EAGAIN || errno == ENOBUFS)
        return 0;
    return error_set(err, ERROR_UNAVAILABLE, "the shim closed the connection");
}

static int data_take(struct task_stream *stream, size_t size, struct task_item *item,
                     struct error *err)
{
    const char *end = stream->packet + size;
    struct shim_data data;

    if (shim_data_read(stream->packet, size, &data, stream->arena, err) < 0)
        return -1;
    item->kind = TASK_ITEM_DATA;
    item->stream = data.stream;
    item->bytes = data.bytes.data;
    item->size = data.bytes.size;
    item->is_last = data.end;
    stream->is_arena_used = item->bytes < (void *)stream->packet || item->bytes >= (void *)end;
    return 1;
}

static void arena_renew(struct task_stream *stream)
{
    if (!stream->is_arena_used)
        return;
    arena_free(stream->arena);
    stream->arena = arena_new();
    stream->is_arena_used = false;
}

int task_stream_receive(struct task_stream *stream, struct task_item *item, struct error *err)
{
    ssize_t size = packet_receive(stream->socket_fd, stream->packet, err);

    if (size <= 0)
        return (int)size;
    arena_renew(stream);
    if (stream->packet[0] == SHIM_DATA)
        return data_take(stream, (size_t)size, item, err);
    stream->is_arena_used = true;
    item->kind = TASK_ITEM_TELL;
    return tell_read(stream->packet, (size_t)size, stream->arena, &item->tell, err) < 0 ? -1 : 1;
}

void task_stream_close(struct task_stream **stream)
{
    if (*stream == NULL)
        return;
    close((*stream)->socket_fd);
    arena_free((*stream)->arena);
    free(*stream);
    *stream = NULL;
}
