/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-addresses: the messages of rtnetlink about addresses, which a dump also consists of. */
#include "net-addresses.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "loop.h"
#include "net-netlink.h"
#include "net-steer.h"

#define MESSAGES_MAX 16384u /* bytes of one read */

static Source source = {.fd = -1};

static int
ask_for_all(int fd)
{
    const struct ifaddrmsg fixed = {.ifa_family = AF_UNSPEC};
    NetlinkRequest request;

    netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &fixed, sizeof fixed);
    return netlink_send(fd, &request);
}

/* IFA_LOCAL is the own address of an interface that has the other end's address as well. */
static void
handle_address(const struct nlmsghdr *message)
{
    const struct ifaddrmsg *fixed = NLMSG_DATA(message);
    size_t size = fixed->ifa_family == AF_INET ? 4 : 16;
    uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    const struct rtattr *found = NULL;
    unsigned left = (unsigned)IFA_PAYLOAD(message);

    for (const struct rtattr *a = IFA_RTA(fixed); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (RTA_PAYLOAD(a) == size &&
            (a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && !found)))
            found = a;
    if (!found || (fixed->ifa_family != AF_INET && fixed->ifa_family != AF_INET6))
        return;
    memcpy(mapped + sizeof mapped - size, RTA_DATA(found), size);
    net_steer_set_own(mapped, message->nlmsg_type == RTM_NEWADDR);
}

/* Returns false at the end of a dump. */
static bool
handle_messages(const void *data, unsigned size)
{
    for (const struct nlmsghdr *m = data; NLMSG_OK(m, size); m = NLMSG_NEXT(m, size)) {
        if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
            return false;
        if ((m->nlmsg_type == RTM_NEWADDR || m->nlmsg_type == RTM_DELADDR) &&
            m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
            handle_address(m);
    }
    return true;
}

/* Returns what recv() and handle_messages() return. */
static ssize_t
receive(int fd, int flags, bool *ret_continues)
{
    _Alignas(struct nlmsghdr) uint8_t messages[MESSAGES_MAX];
    ssize_t n = recv(fd, messages, sizeof messages, flags);

    if (n > 0)
        *ret_continues = handle_messages(messages, (unsigned)n);
    return n;
}

static void
on_messages(Source *s, uint32_t events)
{
    bool continues;

    while (receive(s->fd, MSG_DONTWAIT, &continues) > 0 || errno == EINTR)
        ;
    if (errno == ENOBUFS) /* messages were lost */
        ask_for_all(s->fd);
}

int
net_addresses_open(void)
{
    bool continues = true;
    int fd = netlink_open(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
    if (fd < 0)
        return fd;
    int r = ask_for_all(fd);
    while (r == 0 && continues)
        r = receive(fd, 0, &continues) < 0 ? -errno : 0;
    if (r < 0)
        return r;
    return source_open(&source, fd, EPOLLIN, on_messages);
}
