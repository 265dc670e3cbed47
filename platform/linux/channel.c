/* Channels are pairs of SOCK_SEQPACKET sockets; ends travel as SCM_RIGHTS. */
#include "platform/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/platform.h"

#define ROOM_BYTES (1 << 20) /* asked for; the system gives what it allows, 208 KiB at least */

union passing {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_pair(int *here, int *there, struct error *err)
{
    const int room = ROOM_BYTES;
    int ends[2];

    if (hook_platform_call("channel", err))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_sys(err, errno, "make a channel");
    for (int i = 0; i < 2; i++) /* more room is faster, not needed */
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    *here = ends[0];
    *there = ends[1];
    return 0;
}

/* True when something may have changed before the time was over. */
static bool await(int channel, short events, int wait_ms)
{
    struct pollfd one = { .fd = channel, .events = events };

    return poll(&one, 1, wait_ms) != 0;
}

static void pass(struct msghdr *message, union passing *passing, int end)
{
    struct cmsghdr *head;

    message->msg_control = passing->bytes;
    message->msg_controllen = sizeof(passing->bytes);
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &end, sizeof(end));
}

int channel_send(int channel, const struct channel_packet *packet, int wait_ms, struct error *err)
{
    struct iovec parts[2] = { { (void *)(uintptr_t)packet->head, packet->head_size },
                              { (void *)(uintptr_t)packet->body, packet->size } };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = packet->size > 0 ? 2 : 1 };
    union passing passing = { 0 };

    if (hook_platform_call("channel send", err))
        return -1;
    if (packet->pass > 0)
        pass(&message, &passing, packet->pass);
    for (;;) {
        if (sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return 0;
        if (errno == EPIPE || errno == ECONNRESET)
            return error_set(err, ERROR_UNAVAILABLE, "the channel is closed at its other end");
        if (errno == EAGAIN && !await(channel, POLLOUT, wait_ms))
            return error_set(err, ERROR_UNAVAILABLE, "nobody reads from the channel");
        if (errno != EAGAIN && errno != EINTR)
            return error_sys(err, errno, "send on a channel");
    }
}

/* The one that came along, or -1. */
static int passed(struct msghdr *message)
{
    struct cmsghdr *head = message->msg_controllen > 0 ? CMSG_FIRSTHDR(message) : NULL;
    int end;

    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&end, CMSG_DATA(head), sizeof(end));
    return end;
}

int channel_receive(int channel, void *packet, size_t room, bool passing, int wait_ms,
                    struct channel_heard *heard, struct error *err)
{
    struct iovec part = { packet, room };
    union passing space = { 0 };
    struct msghdr message;
    ssize_t got;

    *heard = (struct channel_heard){ .news = CHANNEL_QUIET, .passed = -1 };
    do {
        message = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
        if (passing) {
            message.msg_control = space.bytes;
            message.msg_controllen = sizeof(space.bytes);
        }
        got = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EAGAIN && !await(channel, POLLIN, wait_ms))
            return 0;
    } while (got < 0 && (errno == EAGAIN || errno == EINTR));
    if (hook_platform_call("channel receive", err))
        return -1;
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
        heard->news = CHANNEL_CLOSED;
        return 0;
    }
    if (got < 0)
        return error_sys(err, errno, "receive from a channel");
    heard->passed = passing ? passed(&message) : -1;
    if ((message.msg_flags & MSG_TRUNC) != 0) {
        file_close(&heard->passed);
        return error_set(err, ERROR_INVALID_ARGUMENT, "a packet is larger than %zu bytes", room);
    }
    heard->news = CHANNEL_PACKET;
    heard->size = (size_t)got;
    return 0;
}

bool channel_is_closed(int channel)
{
    struct pollfd one = { .fd = channel, .events = POLLRDHUP };

    return poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)) != 0;
}
