/* See network.h.  Loopback takes one ioctl; a netlink socket would be three calls more. */
#include "platform/linux/runtime/network.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

int loopback_up(struct error *err)
{
    CLEANUP(file_close) int ask = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

    if (ask < 0)
        return error_sys(err, errno, "make a socket to bring loopback up with");
    if (ioctl(ask, SIOCSIFFLAGS, &lo) < 0)
        return error_sys(err, errno, "bring the loopback device up");
    return 0;
}
