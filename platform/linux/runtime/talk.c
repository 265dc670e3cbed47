/* See talk.h. */
#include "platform/linux/runtime/talk.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
    enum talk_word word;
    struct error error; /* only with TALK_ERROR */
};

union passing {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int talk_pair(int ends[2], struct error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_sys(err, errno, "make a pair of sockets");
    return 0;
}

static int packet_send(int talk, const struct packet *packet, size_t size, int pass)
{
    struct iovec piece = { (void *)(uintptr_t)packet, size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    union passing passing = { 0 };

    if (pass >= 0) {
        message.msg_control = passing.bytes;
        message.msg_controllen = sizeof(passing.bytes);
        passing.head.cmsg_level = SOL_SOCKET;
        passing.head.cmsg_type = SCM_RIGHTS;
        passing.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&passing.head), &pass, sizeof(pass));
    }
    while (sendmsg(talk, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return -1;
    return 0;
}

int talk_say(int talk, enum talk_word word, int pass, struct error *err)
{
    struct packet packet = { .word = word };

    if (packet_send(talk, &packet, offsetof(struct packet, error), pass) == 0)
        return 0;
    return error_sys(err, errno, "speak to the other process of the runtime");
}

void talk_error(int talk, const struct error *failure)
{
    struct packet packet = { .word = TALK_ERROR, .error = *failure };

    packet_send(talk, &packet, sizeof(packet), -1);
}

int talk_passed(struct msghdr *message)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int file = -1;

    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&file, CMSG_DATA(head), sizeof(file));
    return file;
}

int talk_hear(int talk, enum talk_word *word, int *passed, struct error *err)
{
    struct packet packet = { 0 };
    struct iovec piece = { &packet, sizeof(packet) };
    union passing passing = { 0 };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    bool is_unheard = false;
    ssize_t got;

    if (passed != NULL) {
        message.msg_control = passing.bytes;
        message.msg_controllen = sizeof(passing.bytes);
    }
    /* ECONNRESET comes once, when the other has ended without hearing us; what it said before it
       ended is there behind that. */
    while ((got = recvmsg(talk, &message, MSG_CMSG_CLOEXEC)) < 0 &&
           (errno == EINTR || errno == ECONNRESET))
        is_unheard |= errno == ECONNRESET;
    if (got < 0)
        return error_sys(err, errno, "hear the other process of the runtime");
    *word = got > 0 ? packet.word : is_unheard ? TALK_UNHEARD : TALK_CLOSED;
    if (passed != NULL)
        *passed = talk_passed(&message);
    if (*word != TALK_ERROR)
        return 0;
    packet.error.text[sizeof(packet.error.text) - 1] = '\0';
    *err = packet.error;
    return -1;
}

int talk_expect(int talk, enum talk_word word, struct error *err)
{
    enum talk_word said;

    if (talk_hear(talk, &said, NULL, err) < 0)
        return -1;
    return said == word ? 0
                        : error_set(err, ERROR_INTERNAL,
                                    "the other process of the runtime has ended unexpectedly");
}
