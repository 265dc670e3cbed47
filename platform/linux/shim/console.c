/*
 * console — a terminal that the runtime made inside the container and hands over.
 *
 * The runtime connects to a socket that it is told of and sends the terminal's
 * descriptor.  It need not be accepted at once: the connection and the descriptor
 * wait in the socket until the runtime has ended, then they are taken.
 */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int console_listen(unsigned number, char name[NAME_SIZE], struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener;

    snprintf(name, NAME_SIZE, "console.%u", number);
    memcpy(address.sun_path, name, strlen(name) + 1);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(name);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 1) < 0) {
        error_sys(err, errno, "socket for the terminal");
        if (listener >= 0)
            close(listener);
        return -1;
    }
    return listener;
}

static int receive_descriptor(int connection)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char bytes[256]; /* a name, which says nothing */
    struct iovec piece = { bytes, sizeof(bytes) };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header;
    int descriptor;

    if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return -1;
    header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&descriptor, CMSG_DATA(header), sizeof(descriptor));
    return descriptor;
}

int console_receive(int listener, struct error *err)
{
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int descriptor = -1;

    if (connection >= 0) {
        descriptor = receive_descriptor(connection);
        close(connection);
    }
    if (descriptor < 0 || !isatty(descriptor)) {
        if (descriptor >= 0)
            close(descriptor);
        return error_set(err, ERROR_INTERNAL, "the runtime did not hand over a terminal");
    }
    return descriptor;
}
