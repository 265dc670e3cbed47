/* See console.h. */
#include "platform/linux/runtime/console.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

int console_connect(const char *path, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int to;

    if (strlen(path) >= sizeof(address.sun_path))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--console-socket: %s is too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to >= 0 && connect(to, (struct sockaddr *)&address, sizeof(address)) == 0)
        return to;
    error_sys(err, errno, "connect to the console socket %s", path);
    if (to >= 0)
        close(to);
    return -1;
}

/* The text that goes along is a name, which says nothing: runc's own is this one. */
int console_send(int socket, int master, struct error *err)
{
    static const char name[] = "/dev/ptmx";
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } passing = {
        { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }
    };
    struct iovec piece = { (void *)(uintptr_t)name, sizeof(name) - 1 };
    struct msghdr message = { .msg_iov = &piece,
                              .msg_iovlen = 1,
                              .msg_control = passing.bytes,
                              .msg_controllen = sizeof(passing.bytes) };
    ssize_t sent;

    memcpy(CMSG_DATA(&passing.head), &master, sizeof(master));
    while ((sent = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    if (sent < 0)
        error_sys(err, errno, "send the terminal to the console socket");
    file_close(&master);
    file_close(&socket);
    return sent < 0 ? -1 : 0;
}

int console_take(int slave, unsigned height, unsigned width, struct error *err)
{
    struct winsize size = { .ws_row = (unsigned short)height, .ws_col = (unsigned short)width };

    if ((height | width) != 0 && ioctl(slave, TIOCSWINSZ, &size) < 0)
        return error_sys(err, errno, "set the size of the terminal");
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        return error_sys(err, errno, "take the terminal");
    for (int i = 0; i < 3; i++)
        if (dup2(slave, i) < 0)
            return error_sys(err, errno, "take the terminal");
    if (slave > 2)
        close(slave);
    return 0;
}
