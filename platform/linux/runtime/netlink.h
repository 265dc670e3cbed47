/* netlink — requests to the kernel's routing tables (rtnetlink(7)), one at a time. */
#ifndef RUNTIME_NETLINK_H
#define RUNTIME_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>

#include "protocol/error.h"

struct netlink_request {
    struct nlmsghdr head;
    char body[1024];
};

int netlink_open(struct error *err); /* of the network namespace that we are in */
void netlink_begin(struct netlink_request *request, int type, int flags, const void *what,
                   size_t size);
void netlink_add(struct netlink_request *request, int type, const void *data, size_t size);
/* Sends it and waits for the answer: 0, or -1 with the kernel's errno in err->os. */
int netlink_ask(int netlink, struct netlink_request *request, const char *what, struct error *err);
/* For dumps: calls for every message. */
int netlink_each(int netlink, struct netlink_request *request,
                 int (*each)(void *ctx, const struct nlmsghdr *message, struct error *err),
                 void *ctx, struct error *err);

#endif
