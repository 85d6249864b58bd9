/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-egress: what cloched accepts from a cloche-egress that was taken over.
 *
 * The input is a sequence of packets, each after its length as one byte, times eight. The first
 * bytes of a packet become those of a head with the right version and length, so that most packets
 * are about a request. Every request ends.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "scripted-egress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ScriptedEgress peer;
static guint ended;

static void
on_connected(gpointer data)
{
}

static void
on_lost(const char *id, const char *reason, gpointer data)
{
    g_assert_true(g_utf8_validate(reason, -1, NULL));
    g_assert_null(strchr(reason, '\n'));
    g_assert_cmpuint(strlen(id), <, EGRESS_ID_SIZE);
}

static void
on_exhausted(const char *id, gpointer data)
{
}

static void
on_set(GObject *source, GAsyncResult *result, gpointer data)
{
    gboolean is_exhausted;
    g_autofree char *certificates = egress_set_finish(result, &is_exhausted, /* error= */ NULL);

    g_assert_true(!certificates || strlen(certificates) <= EGRESS_PEM_MAX);
    ended++;
}

static void
on_traffic(GObject *source, GAsyncResult *result, gpointer data)
{
    EgressTraffic traffic;

    egress_traffic_finish(result, &traffic, /* error= */ NULL);
    ended++;
}

static void
on_list(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GHashTable) workers = egress_list_finish(result, /* error= */ NULL);

    ended++;
}

static void
request(Egress *egress)
{
    NetPolicy *policy = net_policy_new();
    EgressSetting setting = {.proxy = "", .layers = {policy}, .count = 1};
    const EgressOrder order = {.id = "abc", .setting = &setting, .port = -1};

    egress_set_async(egress, &order, on_set, NULL);
    egress_traffic_async(egress, "abc", on_traffic, NULL);
    egress_list_async(egress, on_list, NULL);
    egress_remove(egress, "abc");
    net_policy_free(policy);
}

/* A head from ten bytes: type, serial, number, id, and the rest is the payload. */
static gsize
make_packet(const uint8_t *bytes, gsize size, uint8_t *packet)
{
    EgressHead head;
    gsize used = MIN(size, 4);
    const uint8_t fields[4] = {used > 0 ? bytes[0] : 0, used > 1 ? bytes[1] : 0,
                               used > 2 ? bytes[2] : 0, used > 3 ? bytes[3] : 0};

    egress_head_init(&head, fields[0],
                     fields[3] % 4 == 0   ? ""
                     : fields[3] % 4 == 1 ? "x"
                                          : "abc",
                     fields[1]);
    head.number = fields[2];
    head.length = (uint32_t)(size - used);
    memcpy(packet, &head, sizeof head);
    memcpy(packet + sizeof head, bytes + used, size - used);
    return sizeof head + size - used;
}

static void
feed(const uint8_t *data, size_t size)
{
    uint8_t packet[sizeof(EgressHead) + 256 * 8];

    while (size > 0) {
        gsize length = MIN((gsize)data[0] * 8, size - 1);
        gsize whole = make_packet(data + 1, length, packet);

        scripted_egress_send_raw(&peer, packet, whole);
        while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
            ;
        data += 1 + length;
        size -= 1 + length;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EgressEvents events = {on_connected, on_connected, on_lost, on_exhausted};
    EgressAccess access = {0};
    EgressHead ready;
    Egress *egress;

    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    if (!peer.path) {
        scripted_egress_init(&peer);
        scripted_egress_listen(&peer);
    }
    access.socket = peer.path;
    egress = egress_open(&access);
    egress_start(egress, &events, NULL);
    scripted_egress_accept(&peer);
    egress_head_init(&ready, EGRESS_READY, "", 0);
    scripted_egress_send(&peer, &ready, NULL, 0);
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
    ended = 0;
    request(egress);
    feed(data, size);
    egress_close(egress);
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
    g_assert_cmpuint(ended, ==, 3);
    return 0;
}
