/*
 * clients — connections to the socket `sock` in the task's folder: the daemon's, one for
 * questions and news, and one for each attachment.
 *
 * The folder is closed to others (0700), and every peer is asked for its credentials all
 * the same.  A packet that the socket does not take waits in the client's queue.  Who has
 * said `hold` is waited for: its process is read again when the queue is empty.  Anybody
 * else may be a megabyte behind; then the queue is thrown away, the client is told, and
 * its connection closed: one that stalls costs the others nothing.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define STREAM_ROOM     (512 * 1024) /* in the socket: it counts as writable when a quarter is used */
#define LAST_WORDS_ROOM (1024 * 1024) /* more than that, so that an error still fits in */

/* ---- sending --------------------------------------------------------------- */

void client_lose(struct client *client)
{
    struct process *process = client->process;
    bool held = client->holds && client->first != NULL;

    if (client->is_lost)
        return;
    client->is_lost = true;
    client->process = NULL;
    loop_close(&client->source);
    if (client->wants_still)
        still_leave(client->shim);
    if (process != NULL && held)
        streams_read(process);
}

static void enqueue(struct client *client, const struct iovec *pieces)
{
    size_t size = pieces[0].iov_len + pieces[1].iov_len;
    struct packet *packet = malloc(sizeof(*packet) + size);

    if (packet == NULL)
        abort();
    packet->next = NULL;
    packet->size = size;
    memcpy(packet->bytes, pieces[0].iov_base, pieces[0].iov_len);
    if (pieces[1].iov_len > 0)
        memcpy(packet->bytes + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
    *client->last = packet;
    client->last = &packet->next;
    client->queued += size;
}

static void queue_clear(struct client *client)
{
    while (client->first != NULL) {
        struct packet *packet = client->first;

        client->first = packet->next;
        free(packet);
    }
    client->last = &client->first;
    client->queued = 0;
}

/* Only root may take more than the system allows everybody. */
void client_widen(struct client *client)
{
    const int room = STREAM_ROOM / 2; /* the kernel doubles it */

    if (setsockopt(client->source.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        return; /* what it has does as well */
}

/* The socket gets more room than it had while it filled up, so this fits in. */
static void cut_off(struct client *client)
{
    struct failure failure = { .code = error_code_name(ERROR_RESOURCE_EXHAUSTED),
                               .message =
                                   "cut off: this client was more than 1 MiB of output behind",
                               .hint =
                                   "attach again, or attach with hold to make the container wait" };
    const struct shim_tell tell = { .what = "error", .failure = &failure };
    struct buffer packet = { 0 };
    const int room = LAST_WORDS_ROOM / 2;

    queue_clear(client);
    if (setsockopt(client->source.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        setsockopt(client->source.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    shim_packet_add(SHIM_TELL, &tell, &packet);
    /* if this fails, it learns from the end of the connection */
    send(client->source.fd, packet.data, packet.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    buffer_free(&packet);
    client_lose(client);
}

void client_send(struct client *client, const char *head, size_t head_size, const char *bytes,
                 size_t size)
{
    struct iovec pieces[2] = { { (void *)(uintptr_t)head, head_size },
                               { (void *)(uintptr_t)bytes, size } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = size > 0 ? 2 : 1 };

    if (client->is_lost)
        return;
    if (client->first == NULL) {
        if (sendmsg(client->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return;
        if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
            client_lose(client);
            return;
        }
    }
    if (!client->holds && client->queued + head_size + size > BEHIND_MAX) {
        cut_off(client);
        return;
    }
    enqueue(client, pieces);
    client_watch(client);
}

void client_tell(struct client *client, const struct shim_tell *tell)
{
    struct buffer packet = { 0 };

    shim_packet_add(SHIM_TELL, tell, &packet);
    client_send(client, packet.data, packet.size, NULL, 0);
    buffer_free(&packet);
}

static void flush(struct client *client)
{
    while (client->first != NULL) {
        struct packet *packet = client->first;

        if (send(client->source.fd, packet->bytes, packet->size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
                client_lose(client);
            return;
        }
        client->first = packet->next;
        client->queued -= packet->size;
        if (client->first == NULL)
            client->last = &client->first;
        free(packet);
    }
    client_watch(client);
    if (client->holds && client->process != NULL)
        streams_read(client->process);
}

/* ---- receiving ------------------------------------------------------------- */

static void on_input_data(struct client *client, const char *bytes, size_t size)
{
    struct arena *arena = arena_new();
    struct shim_data data;
    struct error err = { 0 };

    if (client->process == NULL && client->is_stream)
        goto ignored; /* on its way while the process ended */
    if (client->process == NULL || !client->sends_input)
        error_set(&err, ERROR_FAILED_PRECONDITION, "data on a connection that sends no input");
    else if (shim_data_read(bytes, size, &data, arena, &err) == 0 && data.bytes.size > 0)
        input_write(client->process, data.bytes.data, data.bytes.size);
    if (err.code != ERROR_NONE) {
        answer_failure(client->shim, (struct asker){ client->number, 0 }, &err);
        client_lose(client);
    } else if (data.end) {
        input_end(client->process);
    }
ignored:
    arena_free(arena);
}

static void receive(struct client *client)
{
    ssize_t size = recv(client->source.fd, shim_packet, sizeof(shim_packet), MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 || (size_t)size > SHIM_PACKET_MAX)
        client_lose(client);
    else if (shim_packet[0] == SHIM_DATA)
        on_input_data(client, shim_packet, (size_t)size);
    else if (shim_packet[0] == SHIM_ASK)
        ask_handle(client, shim_packet + 1, (size_t)size - 1);
    else
        client_lose(client);
}

static bool is_input_blocked(const struct client *client)
{
    return client->sends_input && client->process != NULL &&
           client->process->input.pending_size > 0;
}

/* The peer has closed, but what it sent before may still wait behind the process's input:
   epoll would report the hang-up without end, so it is not watched until then. */
static void on_ready(void *owner, uint32_t events)
{
    struct client *client = owner;

    if (events & EPOLLOUT)
        flush(client);
    if (client->is_lost || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    if (is_input_blocked(client))
        loop_unwatch(&client->source);
    else
        receive(client);
}

void client_watch(struct client *client)
{
    uint32_t events =
        (is_input_blocked(client) ? 0u : EPOLLIN) | (client->first != NULL ? EPOLLOUT : 0u);

    if (!client->is_lost)
        loop_watch(&client->source, events);
}

void clients_watch(struct process *process)
{
    for (struct client *client = process->shim->clients; client != NULL; client = client->next)
        if (client->process == process && client->sends_input)
            client_watch(client);
}

/* ---- coming and going ------------------------------------------------------- */

static bool is_trusted(int connection)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void client_add(struct shim *shim, int connection)
{
    const struct shim_hello hello = { .protocol = SHIM_PROTOCOL, .version = GANTRY_VERSION };
    struct client *client = calloc(1, sizeof(*client));
    struct buffer packet = { 0 };

    if (client == NULL)
        abort();
    *client =
        (struct client){ .next = shim->clients,
                         .shim = shim,
                         .number = ++shim->clients_seen,
                         .source = { .fd = connection, .on_ready = on_ready, .owner = client } };
    client->last = &client->first;
    shim->clients = client;
    shim_packet_add(SHIM_HELLO, &hello, &packet);
    client_send(client, packet.data, packet.size, NULL, 0);
    buffer_free(&packet);
    client_watch(client);
}

static size_t clients_count(const struct shim *shim)
{
    size_t count = 0;

    for (struct client *client = shim->clients; client != NULL; client = client->next)
        count++;
    return count;
}

static void on_connection(void *owner, uint32_t events UNUSED)
{
    struct shim *shim = owner;
    int connection = accept4(shim->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (connection < 0)
        return;
    if (is_trusted(connection) && clients_count(shim) < CLIENTS_MAX)
        client_add(shim, connection);
    else
        close(connection);
}

/* The name is relative: it fits, however long the folder's own path is. */
int clients_listen(struct shim *shim, struct error *err)
{
    const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "sock" };

    shim->listener = (struct source){ .on_ready = on_connection, .owner = shim };
    shim->listener.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink("sock");
    if (shim->listener.fd < 0 ||
        bind(shim->listener.fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod("sock", 0600) < 0 || listen(shim->listener.fd, 64) < 0 ||
        loop_watch(&shim->listener, EPOLLIN) < 0)
        return error_sys(err, errno, "listen on %s/sock", shim->folder);
    return 0;
}

void clients_sweep(struct shim *shim)
{
    for (struct client **at = &shim->clients; *at != NULL;) {
        struct client *client = *at;

        if (!client->is_lost) {
            at = &client->next;
            continue;
        }
        *at = client->next;
        queue_clear(client);
        free(client);
    }
}

bool clients_are_served(const struct shim *shim)
{
    for (struct client *client = shim->clients; client != NULL; client = client->next)
        if (!client->is_lost && client->first != NULL)
            return false;
    return true;
}

bool clients_lose_nothing(const struct shim *shim)
{
    for (struct client *client = shim->clients; client != NULL; client = client->next)
        if (!client->is_lost && client->was_held &&
            (client->first != NULL || client->process != NULL))
            return false;
    return true;
}

/* ---- to many ---------------------------------------------------------------- */

bool clients_hold(const struct process *process)
{
    for (struct client *client = process->shim->clients; client != NULL; client = client->next)
        if (client->process == process && client->holds && client->first != NULL)
            return true;
    return false;
}

void clients_data(struct process *process, const char *stream, const char *bytes, size_t size)
{
    char head[SHIM_HEAD_MAX];
    size_t head_size = shim_data_head(stream, size, false, head);

    for (struct client *client = process->shim->clients; client != NULL; client = client->next)
        if (client->process == process)
            client_send(client, head, head_size, bytes, size);
}

void clients_news(struct shim *shim, const struct shim_tell *tell)
{
    for (struct client *client = shim->clients; client != NULL; client = client->next)
        if (!client->is_stream && !client->is_lost)
            client_tell(client, tell);
}

static void detach(struct client *client, const struct shim_tell *tell)
{
    client_tell(client, tell);
    client->process = NULL;
    client->sends_input = client->holds = false;
    client_watch(client);
}

void clients_end(struct process *process)
{
    const struct shim_exit exit = process_exit(process);
    const struct shim_tell tell = { .what = "end", .exit = &exit };

    for (struct client *client = process->shim->clients; client != NULL; client = client->next)
        if (client->process == process)
            detach(client, &tell);
}

void clients_fail(struct process *process, const struct error *err)
{
    const struct failure failure = { .code = error_code_name(err->code), .message = err->text };
    const struct shim_tell tell = { .what = "error", .failure = &failure };

    for (struct client *client = process->shim->clients; client != NULL; client = client->next)
        if (client->process == process)
            detach(client, &tell);
}
