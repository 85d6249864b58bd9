/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* routes: what the host's routes say about an address. */
#include "routes.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT_MAX 64u
#define KEPT_US G_USEC_PER_SEC
/* A route to so few leading bits is one of those that together are the default route. */
#define DEFAULT_PREFIX_MAX 3u

typedef struct {
    NetAddress address;
    NetReach reach;
    int error;
    gint64 until;
} RoutesAnswer;

struct Routes {
    int fd;
    guint32 sequence;
    RoutesAnswer kept[KEPT_MAX]; /* by a hash of the address */
};

typedef struct {
    struct nlmsghdr head;
    struct rtmsg route;
    char attributes[64];
} RoutesRequest;

/* What a route says. */
typedef struct {
    guint8 type;
    guint prefix;
    gboolean has_gateway;
} RoutesFound;

int
routes_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    return fd < 0 ? -errno : fd;
}

Routes *
routes_new(int fd)
{
    Routes *routes = g_new0(Routes, 1);

    routes->fd = fd;
    return routes;
}

/* --- messages --- */

static gboolean
request(Routes *routes, const NetAddress *address, guint flags)
{
    gboolean is_v4 = net_address_is_v4(address);
    gsize size = is_v4 ? 4 : 16;
    RoutesRequest message = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof message.route) + RTA_SPACE(size),
                 .nlmsg_type = RTM_GETROUTE,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = ++routes->sequence},
        .route = {.rtm_family = is_v4 ? AF_INET : AF_INET6,
                  .rtm_dst_len = (guint8)(8 * size),
                  .rtm_flags = flags},
    };
    struct rtattr *destination = (struct rtattr *)message.attributes;

    destination->rta_type = RTA_DST;
    destination->rta_len = (unsigned short)RTA_LENGTH(size);
    memcpy(RTA_DATA(destination), address->bytes + (16 - size), size);
    return send(routes->fd, &message, message.head.nlmsg_len, MSG_DONTWAIT) > 0;
}

static int
read_answer(const struct nlmsghdr *head, RoutesFound *ret)
{
    const struct rtmsg *route = NLMSG_DATA(head);
    int left = (int)head->nlmsg_len - (int)NLMSG_LENGTH(sizeof *route);

    if (head->nlmsg_type == NLMSG_ERROR && head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
    if (head->nlmsg_type != RTM_NEWROUTE || left < 0)
        return -EPROTO;
    *ret = (RoutesFound){.type = route->rtm_type, .prefix = route->rtm_dst_len};
    for (const struct rtattr *part = RTM_RTA(route); RTA_OK(part, left);
         part = RTA_NEXT(part, left))
        if (part->rta_type == RTA_GATEWAY || part->rta_type == RTA_VIA ||
            part->rta_type == RTA_MULTIPATH)
            ret->has_gateway = TRUE;
    return 0;
}

/* The kernel has answered when send() returns. Answers to earlier questions are discarded. */
static int
ask(Routes *routes, const NetAddress *address, guint flags, RoutesFound *ret)
{
    union {
        struct nlmsghdr head;
        char bytes[4096];
    } answer;
    gssize size;

    if (!request(routes, address, flags))
        return -EAGAIN;
    while ((size = recv(routes->fd, &answer, sizeof answer, MSG_DONTWAIT)) >= 0)
        if ((gsize)size >= sizeof answer.head && NLMSG_OK(&answer.head, (guint)size) &&
            answer.head.nlmsg_seq == routes->sequence)
            return read_answer(&answer.head, ret);
    return -EAGAIN;
}

/* --- answers --- */

/* A default route without a gateway leads to a link whose other end is a gateway (PPP, WireGuard).
 * Only the table's own entry shows to how many addresses a route leads. */
static int
judge_link(Routes *routes, const NetAddress *address, NetReach *ret)
{
    RoutesFound entry;
    int r = ask(routes, address, RTM_F_FIB_MATCH, &entry);

    if (r < 0)
        return r;
    *ret = entry.prefix <= DEFAULT_PREFIX_MAX ? NET_PUBLIC : NET_PRIVATE;
    return 0;
}

static int
find(Routes *routes, const NetAddress *address, NetReach *ret)
{
    RoutesFound found;
    int r = ask(routes, address, /* flags= */ 0, &found);

    if (r < 0)
        return r;
    *ret = found.type == RTN_UNICAST ? NET_PUBLIC : NET_NEVER;
    if (found.type == RTN_UNICAST && !found.has_gateway)
        return judge_link(routes, address, ret);
    return 0;
}

static RoutesAnswer *
place_of(Routes *routes, const NetAddress *address)
{
    guint hash = 0;

    for (guint i = 0; i < sizeof address->bytes; i++)
        hash = hash * 31 + address->bytes[i];
    return &routes->kept[hash % KEPT_MAX];
}

int
routes_ask(Routes *routes, const NetAddress *address, gint64 now, NetReach *ret)
{
    RoutesAnswer *answer = place_of(routes, address);

    if (answer->until <= now || memcmp(&answer->address, address, sizeof *address) != 0) {
        *answer = (RoutesAnswer){.address = *address, .until = now + KEPT_US};
        answer->error = find(routes, address, &answer->reach);
    }
    *ret = answer->reach;
    return answer->error;
}
