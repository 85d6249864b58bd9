/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-netlink: the kernel executes a request before send() returns, and its answer waits then. */
#include "net-netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
netlink_open(uint32_t groups)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static void *
add_room(NetlinkRequest *request, size_t size)
{
    size_t used = NLMSG_ALIGN(request->header.nlmsg_len);

    request->header.nlmsg_len = (uint32_t)(used + size);
    return memset((uint8_t *)request + used, 0, NLMSG_ALIGN(size));
}

void
netlink_begin(NetlinkRequest *request, uint16_t type, uint16_t flags, const void *fixed,
              size_t size)
{
    request->header = (struct nlmsghdr){
        .nlmsg_len = NLMSG_HDRLEN,
        .nlmsg_type = type,
        .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
    };
    memcpy(add_room(request, size), fixed, size);
}

void
netlink_put(NetlinkRequest *request, uint16_t attribute, const void *data, size_t size)
{
    struct rtattr *room = add_room(request, RTA_LENGTH(size));

    room->rta_type = attribute;
    room->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(room), data, size);
}

void
netlink_put_u32(NetlinkRequest *request, uint16_t attribute, uint32_t value)
{
    netlink_put(request, attribute, &value, sizeof value);
}

size_t
netlink_nest(NetlinkRequest *request, uint16_t attribute)
{
    size_t nest = NLMSG_ALIGN(request->header.nlmsg_len);

    netlink_put(request, attribute, "", 0);
    return nest;
}

void
netlink_nest_end(NetlinkRequest *request, size_t nest)
{
    struct rtattr *room = (struct rtattr *)((uint8_t *)request + nest);

    room->rta_len = (uint16_t)(request->header.nlmsg_len - nest);
}

int
netlink_send(int fd, NetlinkRequest *request)
{
    return send(fd, request, request->header.nlmsg_len, 0) < 0 ? -errno : 0;
}

int
netlink_ask(int fd, NetlinkRequest *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t rest[NETLINK_REQUEST_MAX];
    } answer;

    request->header.nlmsg_flags |= NLM_F_ACK;
    int r = netlink_send(fd, request);
    if (r < 0)
        return r;
    ssize_t n = recv(fd, &answer, sizeof answer, 0);
    if (n < 0)
        return -errno;
    if ((size_t)n < sizeof answer.header + sizeof answer.error ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        return -EBADMSG;
    return answer.error.error;
}
