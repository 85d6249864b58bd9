/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-egress-packets: what cloched and cloche-egress accept from each other.
 *
 * The first byte is flags (1: there is a descriptor, 2: from cloched), the rest a packet. Payloads
 * that are accepted give the same bytes when they are written again.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "egress-protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[EGRESS_PACKET_MAX];

static void
require_same(WireWriter *w, const EgressHead *head, const uint8_t *payload)
{
    g_assert_cmpuint(egress_end(w, head), ==, sizeof *head + head->length);
    g_assert_cmpmem(again, w->used, payload - sizeof *head, sizeof *head + head->length);
}

static void
take_setting(const EgressHead *head, const uint8_t *payload)
{
    EgressSetting setting;
    WireWriter w;

    if (!egress_setting_get(payload, head->length, &setting))
        return;
    g_assert_cmpuint(setting.count, >=, 1);
    g_assert_cmpuint(setting.count, <=, EGRESS_LAYERS_MAX);
    for (guint i = 0; i < setting.count; i++)
        net_policy_check(setting.layers[i], NULL);
    egress_begin(&w, again, sizeof again);
    egress_setting_put(&w, &setting);
    require_same(&w, head, payload);
    egress_setting_clear(&setting);
}

static void
take_figures(const EgressHead *head, const uint8_t *payload)
{
    EgressTraffic traffic;
    WireWriter w;

    if (!egress_traffic_get(payload, head->length, &traffic))
        return;
    egress_begin(&w, again, sizeof again);
    egress_traffic_put(&w, &traffic);
    require_same(&w, head, payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    EgressHead head;
    const uint8_t *payload;

    if (size == 0 || !egress_unpack(data + 1, size - 1, data[0] & 1, data[0] & 2, &head, &payload))
        return 0;
    g_assert_cmpuint(sizeof head + head.length, ==, size - 1);
    g_assert_true(payload == data + 1 + sizeof head);
    g_assert_cmpuint(strspn(head.id, "abcdefghijklmnopqrstuvwxyz0123456789"), ==, strlen(head.id));
    g_assert_cmpuint(strlen(head.id), <, EGRESS_ID_SIZE);
    if (head.type == EGRESS_SET)
        take_setting(&head, payload);
    if (head.type == EGRESS_FIGURES)
        take_figures(&head, payload);
    return 0;
}
