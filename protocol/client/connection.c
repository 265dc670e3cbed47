/*
 * The connection of a client: one DEALER, two frames a message, signs of life.
 *
 * The one idea: a connection is used once.  It is never re-established behind the back
 * of open requests, because a daemon that came back knows nothing of them: when the
 * connection breaks (the socket's monitor tells at once), when the daemon does not answer
 * a ping in time, or when what it sends is not the protocol, the connection is closed and
 * all its requests end with one error.  The next request opens a new one.
 */
#include "protocol/client/client.h"

#include <errno.h>
#include <stdatomic.h>

struct client_times client_times = { .connect = 5000, .ping = 3000, .gone = 12000 };

/* ---- opening ------------------------------------------------------------ */

static int unavailable(const struct gantry *client, struct error *err, const char *why)
{
    error_set(err, ERROR_UNAVAILABLE, "no daemon at %s: %s", client->endpoint, why);
    return error_hint(err, "is gantryd running? Start it, or let the command do the work itself "
                           "with --embedded");
}

/* A socket file cannot be opened, but trying tells whether it is there and may be used. */
static int ipc_check(const struct gantry *client, const char *path, struct error *err)
{
    FILE *file = fopen(path, "r+");

    if (file != NULL) {
        fclose(file);
        return unavailable(client, err, "the file is not a socket");
    }
    if (errno == ENOENT || errno == ENOTDIR)
        return unavailable(client, err, "there is no such socket");
    if (errno == EACCES || errno == EPERM) {
        error_set(err, ERROR_PERMISSION_DENIED, "%s: permission denied", client->endpoint);
        return error_hint(err, "become root, or a member of the group gantry");
    }
    return 0;
}

static int endpoint_check(const struct gantry *client, struct error *err)
{
    if (strncmp(client->endpoint, "ipc://", 6) == 0)
        return ipc_check(client, client->endpoint + 6, err);
    if (strncmp(client->endpoint, "inproc://", 9) == 0)
        return 0;
    if (strncmp(client->endpoint, "tcp://", 6) == 0)
        return error_set(err, ERROR_UNIMPLEMENTED, "%s: tcp is not served yet; use ipc://PATH",
                         client->endpoint);
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s is no endpoint; use ipc://PATH",
                     client->endpoint);
}

/* What happens to the connection arrives as messages on a PAIR. */
static int monitor_open(struct gantry *client, struct error *err)
{
    static atomic_uint number;
    char name[64];

    snprintf(name, sizeof(name), "inproc://gantry-client-%u", atomic_fetch_add(&number, 1));
    if (zmq_socket_monitor(zsock_resolve(client->socket), name,
                           ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED |
                               ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) < 0)
        return error_sys(err, errno, "watch the connection to %s", client->endpoint);
    client->monitor = zsock_new(ZMQ_PAIR);
    if (client->monitor == NULL || zsock_connect(client->monitor, "%s", name) < 0)
        return error_sys(err, errno, "watch the connection to %s", client->endpoint);
    return 0;
}

static int socket_open(struct gantry *client, struct error *err)
{
    client->socket = zsock_new(ZMQ_DEALER);
    if (client->socket == NULL)
        return error_sys(err, errno, "open a socket");
    /* Never again by itself; -1 would throw away what has arrived and is not yet read. */
    zsock_set_reconnect_ivl(client->socket, 24 * 3600 * 1000);
    zsock_set_linger(client->socket, 0);
    zsock_set_rcvhwm(client->socket, 0); /* bounded by credit, which counts bytes */
    zsock_set_sndtimeo(client->socket, client_times.gone);
    zsock_set_maxmsgsize(client->socket, RECORD_BYTES_MAX + 1024);
    if (strncmp(client->endpoint, "ipc://", 6) == 0 && monitor_open(client, err) < 0)
        return -1;
    if (zsock_connect(client->socket, "%s", client->endpoint) < 0)
        return error_sys(err, errno, "connect to %s", client->endpoint);
    return 0;
}

/* The open request that comes after the one asked about last; 0: none is open. */
static uint64_t next_to_ask(const struct gantry *client)
{
    uint64_t next = 0, first = 0;

    for (const struct gantry_stream *at = client->open; at != NULL; at = at->next) {
        if (at->ended)
            continue;
        if (first == 0 || at->id < first)
            first = at->id;
        if (at->id > client->asked && (next == 0 || at->id < next))
            next = at->id;
    }
    return next != 0 ? next : first;
}

/* A ping with the id of a request asks whether that is still known: a daemon that had
   given this client up, because it was stopped for a while, answers with an error. */
static int send_ping(struct gantry *client)
{
    struct envelope ping = { .version = PROTOCOL_VERSION, .kind = "ping" };

    ping.id = client->asked = next_to_ask(client);
    client->pinged = zclock_mono();
    if (client->unanswered == 0)
        client->unanswered = client->pinged;
    return connection_send(client, &ping, "\x80", 1);
}

/* Whoever answers a ping is there and speaks the protocol. */
static int wait_for_pong(struct gantry *client, struct error *err)
{
    int64_t until = zclock_mono() + client_times.connect;

    while (client->socket != NULL && !client->connected) {
        int64_t left = until - zclock_mono();

        if (left <= 0)
            return unavailable(client, err, "it accepts, but does not answer");
        connection_turn(client, NULL, 0, (int)left);
    }
    if (client->socket != NULL)
        return 0;
    *err = client->lost;
    return -1;
}

int connection_open(struct gantry *client, struct error *err)
{
    if (client->socket != NULL)
        return 0;
    client->connected = false;
    client->unanswered = 0;
    client->looked = zclock_mono();
    if (endpoint_check(client, err) < 0)
        return -1;
    if (socket_open(client, err) < 0) {
        connection_close(client);
        return -1;
    }
    if (send_ping(client) < 0) {
        *err = client->lost;
        return -1;
    }
    if (wait_for_pong(client, err) < 0) {
        connection_close(client);
        return -1;
    }
    zsock_set_linger(client->socket, 200); /* a last cancel still goes out */
    return 0;
}

void connection_close(struct gantry *client)
{
    if (client->monitor != NULL)
        zmq_socket_monitor(zsock_resolve(client->socket), NULL, 0);
    zsock_destroy(&client->monitor);
    zsock_destroy(&client->socket);
}

void connection_lose(struct gantry *client, const struct error *err)
{
    connection_close(client);
    client->lost = *err;
    for (struct gantry_stream *stream = client->open; stream != NULL; stream = stream->next)
        stream_fail(stream, err);
}

/* ---- sending ------------------------------------------------------------ */

int connection_send(struct gantry *client, const struct envelope *envelope, const void *body,
                    size_t size)
{
    struct buffer head = { 0 };
    struct error err = { 0 };
    void *socket;
    int result;

    if (client->socket == NULL)
        return -1;
    socket = zsock_resolve(client->socket);
    record_pack(envelope_record(), envelope, &head);
    result = zmq_send(socket, head.data, head.size, ZMQ_SNDMORE);
    if (result >= 0)
        result = zmq_send(socket, body, size, 0);
    buffer_free(&head);
    if (result >= 0)
        return 0;
    unavailable(client, &err, "it does not take what is sent");
    connection_lose(client, &err);
    return -1;
}

/* ---- receiving ---------------------------------------------------------- */

/* What is no message of the protocol ends the connection: nothing after it can be trusted. */
static int envelope_check(const struct gantry *client, const struct envelope *envelope,
                          struct error *err)
{
    if (envelope->version == PROTOCOL_VERSION)
        return 0;
    return error_set(err, ERROR_UNIMPLEMENTED,
                     "the daemon at %s speaks protocol %llu, this program %d", client->endpoint,
                     (unsigned long long)envelope->version, PROTOCOL_VERSION);
}

static int receive_one(struct gantry *client, zmsg_t *frames, struct error *err)
{
    struct arena *arena = arena_new();
    zframe_t *head = zmsg_pop(frames), *body = zmsg_pop(frames);
    struct envelope envelope;
    int result = -1;

    if (head == NULL || body == NULL || zmsg_size(frames) > 0)
        error_set(err, ERROR_DATA_LOSS, "not two frames");
    else if (record_unpack(envelope_record(), RECORD_LENIENT, zframe_data(head), zframe_size(head),
                           &envelope, arena, err) == 0)
        result = envelope_check(client, &envelope, err);
    if (result == 0) {
        client->connected = true;
        client->unanswered = 0;
        client->arrivals++;
        stream_dispatch(client, &envelope, &body);
    }
    zframe_destroy(&head);
    zframe_destroy(&body);
    arena_free(arena);
    return result;
}

static void receive_all(struct gantry *client)
{
    struct error err = { 0 };

    while (client->socket != NULL && (zsock_events(client->socket) & ZMQ_POLLIN)) {
        zmsg_t *frames = zmsg_recv(client->socket);

        if (frames == NULL)
            return;
        if (receive_one(client, frames, &err) < 0) {
            if (err.code != ERROR_UNIMPLEMENTED) {
                err.code = ERROR_DATA_LOSS;
                error_wrap(&err, "what answers at %s is no gantry daemon", client->endpoint);
            }
            connection_lose(client, &err);
        }
        zmsg_destroy(&frames);
    }
}

/* ---- waiting ------------------------------------------------------------ */

#define POLL_MAX 8

struct polled {
    zmq_pollitem_t items[POLL_MAX + 2];
    int count;
    int monitor; /* index, -1: none */
};

static void poll_add(struct polled *polled, void *socket, int fd, bool for_writing)
{
    polled->items[polled->count++] = (zmq_pollitem_t){
        .socket = socket,
        .fd = fd,
        .events = for_writing ? ZMQ_POLLOUT : ZMQ_POLLIN,
    };
}

static void poll_collect(struct gantry *client, const struct gantry_fd *fds, size_t count,
                         struct polled *polled)
{
    polled->count = 0;
    polled->monitor = -1;
    for (size_t i = 0; i < count && i < POLL_MAX; i++) {
        poll_add(polled, NULL, fds[i].fd, fds[i].for_writing);
        if (fds[i].fd < 0)
            polled->items[polled->count - 1].events = 0;
    }
    if (client->socket == NULL)
        return;
    poll_add(polled, zsock_resolve(client->socket), 0, false);
    if (client->monitor != NULL) {
        polled->monitor = polled->count;
        poll_add(polled, zsock_resolve(client->monitor), 0, false);
    }
}

/* The connection broke: what came before that is still taken, then all ends. */
static void connection_broke(struct gantry *client)
{
    zmq_pollitem_t last = { .socket = zsock_resolve(client->socket), .events = ZMQ_POLLIN };
    struct error err = { 0 };

    while (client->socket != NULL && zmq_poll(&last, 1, 20) > 0)
        receive_all(client);
    if (client->socket == NULL)
        return;
    if (!client->connected) {
        unavailable(client, &err, "nobody listens");
        connection_lose(client, &err);
        return;
    }
    error_set(&err, ERROR_UNAVAILABLE, "the daemon at %s went away", client->endpoint);
    error_hint(&err, "is gantryd running? Containers go on without it; try again");
    connection_lose(client, &err);
}

/* Signs of life, and what follows when there are none from the other side. */
static void keep_alive(struct gantry *client)
{
    int64_t now = zclock_mono();
    struct error err = { 0 };

    if (client->socket == NULL)
        return;
    /* When this process itself was stopped, the daemon is given its time again. */
    if (client->unanswered != 0 && now - client->looked > 2 * client_times.ping)
        client->unanswered = now;
    client->looked = now;
    if (client->unanswered != 0 && now - client->unanswered >= client_times.gone) {
        unavailable(client, &err, "it does not answer any more");
        connection_lose(client, &err);
        return;
    }
    if (now - client->pinged >= client_times.ping)
        send_ping(client);
}

static int until_next_ping(const struct gantry *client, int timeout_ms)
{
    int64_t left;

    if (client->socket == NULL)
        return timeout_ms;
    left = client->pinged + client_times.ping - zclock_mono();
    if (left < 0)
        left = 0;
    return timeout_ms < 0 || timeout_ms > left ? (int)left : timeout_ms;
}

void connection_turn(struct gantry *client, struct gantry_fd *fds, size_t count, int timeout_ms)
{
    struct polled polled;
    int ready;

    poll_collect(client, fds, count, &polled);
    ready = zmq_poll(polled.items, polled.count, until_next_ping(client, timeout_ms));
    for (size_t i = 0; i < count && i < POLL_MAX; i++)
        fds[i].ready = ready > 0 && polled.items[i].revents != 0;
    receive_all(client);
    if (client->socket != NULL && ready > 0 && polled.monitor >= 0 &&
        polled.items[polled.monitor].revents != 0)
        connection_broke(client);
    keep_alive(client);
}
