/*
 * linux.netDevices: devices of the host that the container is given (see network.h).
 *
 * A device loses its addresses when it changes its namespace; so they are read before, and
 * given back behind.  That is done with a socket that was made in the container's namespace, for
 * which we go there and come back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/linux/runtime/netlink.h"
#include "platform/linux/runtime/network.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define ADDRESSES_MAX 64

struct address {
    struct ifaddrmsg about;
    size_t size, local_size, broadcast_size;
    unsigned char bytes[16], local[16], broadcast[16];
};

struct addresses {
    int device; /* number of the one that they are of */
    size_t count;
    struct address items[ADDRESSES_MAX];
};

/* ---- reading the document ------------------------------------------------------------- */

static bool is_name(const char *name)
{
    return *name != '\0' && strlen(name) < IFNAMSIZ && strpbrk(name, "/: \t\n") == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int one_check(const struct place *devices, const char *key, const char **name,
                     struct error *err)
{
    struct place device = place_member(devices, key);

    if (place_text(&device, "name", name, err) < 0)
        return -1;
    if (!is_name(key))
        return place_failure(&device, err, "\"%s\" is no name of a network device", key);
    if (*name != NULL && **name != '\0' && !is_name(*name))
        return place_failure(&device, err, "name \"%s\" is no name of a network device", *name);
    if (*name == NULL || **name == '\0')
        *name = key;
    return 0;
}

int net_devices_check(const struct place *linux_, bool has_namespace, struct error *err)
{
    struct place devices = place_member(linux_, "netDevices");
    const char *key, *name;
    json_t *value;

    if (devices.json != NULL && !json_is_object(devices.json))
        return place_failure(&devices, err, "must be an object");
    if (json_object_size(devices.json) > 0 && !has_namespace)
        return place_failure(&devices, err, "needs a network namespace of the container's own");
    json_object_foreach ((json_t *)(uintptr_t)devices.json, key, value)
        if (one_check(&devices, key, &name, err) < 0)
            return -1;
    return 0;
}

/* ---- addresses ----------------------------------------------------------------------------- */

static size_t bytes_take(const struct rtattr *attribute, unsigned char out[16])
{
    size_t size = RTA_PAYLOAD(attribute);

    size = size > 16 ? 16 : size;
    memcpy(out, RTA_DATA(attribute), size);
    return size;
}

/* As the macros of rtnetlink(3), which do not keep to one sign. */
static const struct rtattr *attributes_of(const struct ifaddrmsg *about)
{
    return (const void *)((const char *)about + NLMSG_ALIGN(sizeof(*about)));
}

static bool has_attribute(const struct rtattr *at, unsigned left)
{
    return left >= sizeof(*at) && at->rta_len >= sizeof(*at) && at->rta_len <= left;
}

static const struct rtattr *attribute_after(const struct rtattr *at, unsigned *left)
{
    unsigned size = RTA_ALIGN(at->rta_len);

    *left = size < *left ? *left - size : 0;
    return (const void *)((const char *)at + size);
}

/* Those that somebody gave it for good; link-local ones come by themselves. */
static int address_take(void *ctx, const struct nlmsghdr *message, struct error *err UNUSED)
{
    struct addresses *addresses = ctx;
    const struct ifaddrmsg *about = NLMSG_DATA(message);
    struct address *address = &addresses->items[addresses->count];
    unsigned left = (unsigned)IFA_PAYLOAD(message);

    if (message->nlmsg_type != RTM_NEWADDR || (int)about->ifa_index != addresses->device ||
        (about->ifa_flags & IFA_F_PERMANENT) == 0 || about->ifa_scope == RT_SCOPE_LINK ||
        addresses->count == ADDRESSES_MAX)
        return 0;
    *address = (struct address){ .about = *about };
    for (const struct rtattr *at = attributes_of(about); has_attribute(at, left);
         at = attribute_after(at, &left)) {
        if (at->rta_type == IFA_ADDRESS)
            address->size = bytes_take(at, address->bytes);
        else if (at->rta_type == IFA_LOCAL)
            address->local_size = bytes_take(at, address->local);
        else if (at->rta_type == IFA_BROADCAST)
            address->broadcast_size = bytes_take(at, address->broadcast);
    }
    addresses->count++;
    return 0;
}

static int addresses_read(int netlink, struct addresses *addresses, struct error *err)
{
    struct ifaddrmsg any = { .ifa_family = AF_UNSPEC };
    struct netlink_request request;

    netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any));
    return netlink_each(netlink, &request, address_take, addresses, err);
}

static int address_give(int netlink, const struct address *address, int device, struct error *err)
{
    struct ifaddrmsg about = address->about;
    struct netlink_request request;

    about.ifa_index = (unsigned)device;
    netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &about, sizeof(about));
    if (address->size > 0)
        netlink_add(&request, IFA_ADDRESS, address->bytes, address->size);
    if (address->local_size > 0)
        netlink_add(&request, IFA_LOCAL, address->local, address->local_size);
    if (address->broadcast_size > 0)
        netlink_add(&request, IFA_BROADCAST, address->broadcast, address->broadcast_size);
    if (netlink_ask(netlink, &request, "give a network device its address", err) < 0)
        return err->os == EEXIST ? 0 : -1;
    return 0;
}

/* ---- moving --------------------------------------------------------------------------------- */

/* A socket of another namespace; we are back when it returns. */
static int netlink_there(int namespace, struct error *err)
{
    CLEANUP(file_close) int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int netlink;

    if (own < 0 || setns(namespace, CLONE_NEWNET) < 0)
        return error_sys(err, errno, "enter the container's network namespace");
    netlink = netlink_open(err);
    if (setns(own, CLONE_NEWNET) < 0) {
        file_close(&netlink);
        return error_sys(err, errno, "return to our own network namespace");
    }
    return netlink;
}

static int device_send(int netlink, int device, const char *name, int namespace, struct error *err)
{
    struct ifinfomsg about = { .ifi_family = AF_UNSPEC, .ifi_index = device };
    struct netlink_request request;

    netlink_begin(&request, RTM_NEWLINK, 0, &about, sizeof(about));
    netlink_add(&request, IFLA_NET_NS_FD, &namespace, sizeof(namespace));
    netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return netlink_ask(netlink, &request, "move a network device", err);
}

static int found_take(void *ctx, const struct nlmsghdr *message, struct error *err UNUSED)
{
    const struct ifinfomsg *about = NLMSG_DATA(message);

    if (message->nlmsg_type == RTM_NEWLINK)
        *(int *)ctx = about->ifi_index;
    return 0;
}

/* Its number is another one there. */
static int device_find(int netlink, const char *name, int *device, struct error *err)
{
    struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
    struct netlink_request request;

    *device = 0;
    netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &any, sizeof(any));
    netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    if (netlink_each(netlink, &request, found_take, device, err) < 0)
        return -1;
    return *device > 0 ? 0 : error_set(err, ERROR_NOT_FOUND, "network device %s is gone", name);
}

static int device_up(int netlink, int device, struct error *err)
{
    struct ifinfomsg about = {
        .ifi_family = AF_UNSPEC, .ifi_index = device, .ifi_flags = IFF_UP, .ifi_change = IFF_UP
    };
    struct netlink_request request;

    netlink_begin(&request, RTM_NEWLINK, 0, &about, sizeof(about));
    return netlink_ask(netlink, &request, "bring a network device up", err);
}

static int one_move(int here, int there, int namespace, const char *from, const char *to,
                    struct error *err)
{
    struct addresses *addresses = calloc(1, sizeof(*addresses));
    int device = (int)if_nametoindex(from), result = -1;

    if (addresses == NULL || device == 0) {
        free(addresses);
        return error_sys(err, errno, "find network device %s", from);
    }
    addresses->device = device;
    if (addresses_read(here, addresses, err) == 0 &&
        device_send(here, device, to, namespace, err) == 0 &&
        device_find(there, to, &device, err) == 0) {
        result = 0;
        for (size_t i = 0; i < addresses->count && result == 0; i++)
            result = address_give(there, &addresses->items[i], device, err);
        if (result == 0)
            result = device_up(there, device, err);
    }
    free(addresses);
    return result;
}

int net_devices_move(const struct place *linux_, pid_t pid, struct error *err)
{
    struct place devices = place_member(linux_, "netDevices");
    CLEANUP(file_close) int namespace = -1;
    CLEANUP(file_close) int here = -1;
    CLEANUP(file_close) int there = -1;
    const char *key, *name;
    char path[32];
    json_t *value;

    if (json_object_size(devices.json) == 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0)
        return error_sys(err, errno, "open %s", path);
    here = netlink_open(err);
    there = here < 0 ? -1 : netlink_there(namespace, err);
    if (there < 0)
        return -1;
    json_object_foreach ((json_t *)(uintptr_t)devices.json, key, value)
        if (one_check(&devices, key, &name, err) < 0 ||
            one_move(here, there, namespace, key, name, err) < 0)
            return error_wrap(err, "linux.netDevices.%s", key);
    return 0;
}
