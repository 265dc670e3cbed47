/* See netlink.h. */
#include "platform/linux/runtime/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/scope.h"

int netlink_open(struct error *err)
{
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    return netlink < 0 ? error_sys(err, errno, "make a netlink socket") : netlink;
}

void netlink_begin(struct netlink_request *request, int type, int flags, const void *what,
                   size_t size)
{
    memset(request, 0, sizeof(*request));
    request->head.nlmsg_type = (unsigned short)type;
    request->head.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags);
    request->head.nlmsg_len = (unsigned)NLMSG_LENGTH(size);
    memcpy(NLMSG_DATA(&request->head), what, size);
}

void netlink_add(struct netlink_request *request, int type, const void *data, size_t size)
{
    size_t at = NLMSG_ALIGN(request->head.nlmsg_len), needs = RTA_LENGTH(size);
    struct rtattr *attribute = (struct rtattr *)(void *)((char *)request + at);

    if (at + needs > sizeof(*request))
        return; /* longer than any attribute that we know */
    attribute->rta_type = (unsigned short)type;
    attribute->rta_len = (unsigned short)needs;
    memcpy(RTA_DATA(attribute), data, size);
    request->head.nlmsg_len = (unsigned)(at + needs);
}

static int error_of(const struct nlmsghdr *message, const char *what, struct error *err)
{
    const struct nlmsgerr *answer = NLMSG_DATA(message);

    return answer->error == 0 ? 0 : error_sys(err, -answer->error, "%s", what);
}

static int request_send(int netlink, const struct netlink_request *request, const char *what,
                        struct error *err)
{
    while (send(netlink, request, request->head.nlmsg_len, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "%s", what);
    return 0;
}

int netlink_ask(int netlink, struct netlink_request *request, const char *what, struct error *err)
{
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } answer;

    request->head.nlmsg_flags |= NLM_F_ACK;
    if (request_send(netlink, request, what, err) < 0)
        return -1;
    while (recv(netlink, &answer, sizeof(answer), 0) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "%s", what);
    if (answer.head.nlmsg_type != NLMSG_ERROR)
        return error_set(err, ERROR_INTERNAL, "%s: the kernel gave no answer", what);
    return error_of(&answer.head, what, err);
}

int netlink_each(int netlink, struct netlink_request *request,
                 int (*each)(void *ctx, const struct nlmsghdr *message, struct error *err),
                 void *ctx, struct error *err)
{
    _Alignas(struct nlmsghdr) char bytes[16384];

    if (request_send(netlink, request, "read from netlink", err) < 0)
        return -1;
    for (;;) {
        ssize_t got = recv(netlink, bytes, sizeof(bytes), 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(err, errno, "read from netlink");
        for (size_t used = 0; used + sizeof(struct nlmsghdr) <= (size_t)got;) {
            const struct nlmsghdr *at = (const void *)(bytes + used);

            if (at->nlmsg_len < sizeof(*at) || at->nlmsg_len > (size_t)got - used)
                break;
            used += NLMSG_ALIGN(at->nlmsg_len);
            if (at->nlmsg_type == NLMSG_DONE)
                return 0;
            if (at->nlmsg_type == NLMSG_ERROR)
                return error_of(at, "read from netlink", err);
            if (each(ctx, at, err) < 0)
                return -1;
        }
    }
}
