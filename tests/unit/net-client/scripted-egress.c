/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scripted-egress: the other end of a client's socket, in the hands of a test. */
#include "scripted-egress.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

void
scripted_egress_init(ScriptedEgress *egress)
{
    egress->folder = g_dir_make_tmp("cloche-egress-XXXXXX", /* error= */ NULL);
    egress->path = g_build_filename(egress->folder, "socket", NULL);
    egress->listening = egress->fd = -1;
}

void
scripted_egress_listen(ScriptedEgress *egress)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, egress->path, sizeof address.sun_path);
    egress->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(egress->listening, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(egress->listening, 8), ==, 0);
}

void
scripted_egress_clear(ScriptedEgress *egress)
{
    scripted_egress_hang_up(egress);
    if (egress->listening >= 0)
        close(egress->listening);
    g_assert_true(util_remove_tree(egress->folder, /* error= */ NULL));
    g_free(egress->folder);
    g_free(egress->path);
}

static gboolean
on_timer(gpointer data)
{
    return G_SOURCE_CONTINUE; /* the loop goes on */
}

void
scripted_egress_iterate(void)
{
    guint timer = g_timeout_add(10, on_timer, /* data= */ NULL);

    g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_source_remove(timer);
}

void
scripted_egress_hang_up(ScriptedEgress *egress)
{
    if (egress->fd >= 0)
        close(egress->fd);
    egress->fd = -1;
}

void
scripted_egress_accept(ScriptedEgress *egress)
{
    scripted_egress_hang_up(egress);
    while ((egress->fd = accept4(egress->listening, NULL, NULL, SOCK_CLOEXEC)) < 0)
        scripted_egress_iterate();
}

void
scripted_egress_receive(ScriptedEgress *egress, ScriptedPacket *ret)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    static uint8_t packet[EGRESS_PACKET_MAX];
    struct iovec part = {.iov_base = packet, .iov_len = sizeof packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights;
    const uint8_t *payload;
    gssize size;

    while ((size = recvmsg(egress->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0)
        scripted_egress_iterate();
    g_assert_cmpint(size, >, 0);
    rights = CMSG_FIRSTHDR(&message);
    ret->fd = -1;
    if (rights)
        memcpy(&ret->fd, CMSG_DATA(rights), sizeof ret->fd);
    g_assert_true(egress_unpack(packet, (gsize)size, rights != NULL, /* from_cloched= */ TRUE,
                                &ret->head, &payload));
    memcpy(ret->payload, payload, ret->head.length);
}

void
scripted_egress_send_raw(const ScriptedEgress *egress, const void *packet, gsize size)
{
    if (send(egress->fd, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        g_assert_true(errno == EPIPE || errno == ECONNRESET);
}

void
scripted_egress_send(const ScriptedEgress *egress, const EgressHead *head, const void *payload,
                     gsize size)
{
    g_autofree uint8_t *packet = g_malloc(sizeof *head + size);
    EgressHead full = *head;

    full.length = (uint32_t)size;
    memcpy(packet, &full, sizeof full);
    if (size > 0)
        memcpy(packet + sizeof full, payload, size);
    g_assert_cmpint(send(egress->fd, packet, sizeof full + size, MSG_NOSIGNAL), >, 0);
}
