/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* egress-protocol: packs and checks the messages. */
#include "egress-protocol.h"

#include <string.h>

#include "error.h"

#define PROXY_MAX 512u

/* SET of all layers, each as large as net_policy_check() allows, fits into a packet. */
G_STATIC_ASSERT(8 + PROXY_MAX + EGRESS_LAYERS_MAX * NET_POLICY_MAX <= NET_POLICY_SIZE_MAX);

enum { TO_CLOCHED, FROM_CLOCHED };
enum { NO_ID, ID };
enum { NO_FD, FD };
enum { ANSWER, EVENT };

#define TEXT_PAYLOAD (4 + EGRESS_TEXT_MAX)
#define FIGURES_PAYLOAD (8 * 8)

/* Types without a row are invalid. A request is like an ANSWER: its serial is not 0. */
static const struct {
    gboolean is_valid;
    guint8 from_cloched, has_id, has_fd, is_event;
    guint32 number_max, payload_max;
} types[] = {
    [EGRESS_PORT] = {TRUE, FROM_CLOCHED, ID, FD, ANSWER, 0, 0},
    [EGRESS_SECRET] = {TRUE, FROM_CLOCHED, ID, FD, ANSWER, NET_SECRETS_MAX - 1, 0},
    [EGRESS_SET] = {TRUE, FROM_CLOCHED, ID, NO_FD, ANSWER, G_MAXUINT32, NET_POLICY_SIZE_MAX},
    [EGRESS_REMOVE] = {TRUE, FROM_CLOCHED, ID, NO_FD, ANSWER, 0, 0},
    [EGRESS_TRAFFIC] = {TRUE, FROM_CLOCHED, ID, NO_FD, ANSWER, 0, 0},
    [EGRESS_WATCH] = {TRUE, FROM_CLOCHED, ID, FD, ANSWER, 0, 0},
    [EGRESS_LIST] = {TRUE, FROM_CLOCHED, NO_ID, NO_FD, ANSWER, 0, 0},
    [EGRESS_READY] = {TRUE, TO_CLOCHED, NO_ID, NO_FD, EVENT, 0, 0},
    [EGRESS_DONE] = {TRUE, TO_CLOCHED, ID, NO_FD, ANSWER, 1, 4 + EGRESS_PEM_MAX},
    [EGRESS_FAILED] = {TRUE, TO_CLOCHED, ID, NO_FD, ANSWER, _CLOCHE_ERROR_MAX - 1, TEXT_PAYLOAD},
    [EGRESS_FIGURES] = {TRUE, TO_CLOCHED, ID, NO_FD, ANSWER, 0, FIGURES_PAYLOAD},
    [EGRESS_WORKER] = {TRUE, TO_CLOCHED, ID, NO_FD, ANSWER, 1, 0},
    [EGRESS_LOST] = {TRUE, TO_CLOCHED, ID, NO_FD, EVENT, 0, TEXT_PAYLOAD},
    [EGRESS_EXHAUSTED] = {TRUE, TO_CLOCHED, ID, NO_FD, EVENT, 0, 0},
};

void
egress_head_init(EgressHead *head, EgressType type, const char *id, uint32_t serial)
{
    *head =
        (EgressHead){.version = EGRESS_PROTOCOL_VERSION, .type = (uint16_t)type, .serial = serial};
    g_strlcpy(head->id, id, EGRESS_ID_SIZE);
}

/* The answer DONE to LIST has no id. */
static gboolean
id_is_valid(const EgressHead *head)
{
    gsize length = strnlen(head->id, sizeof head->id);

    if (length >= EGRESS_ID_SIZE)
        return FALSE;
    for (gsize i = length; i < sizeof head->id; i++)
        if (head->id[i] != '\0')
            return FALSE;
    if (length == 0)
        return !types[head->type].has_id || head->type == EGRESS_DONE;
    return types[head->type].has_id &&
           strspn(head->id, "abcdefghijklmnopqrstuvwxyz0123456789") == length;
}

gboolean
egress_unpack(const void *packet, gsize size, gboolean has_fd, gboolean from_cloched,
              EgressHead *ret_head, const uint8_t **ret_payload)
{
    EgressHead head;

    if (size < sizeof head || size > EGRESS_PACKET_MAX)
        return FALSE;
    memcpy(&head, packet, sizeof head);
    if (head.version != EGRESS_PROTOCOL_VERSION || head.type >= G_N_ELEMENTS(types) ||
        !types[head.type].is_valid || types[head.type].from_cloched != !!from_cloched ||
        types[head.type].has_fd != !!has_fd || types[head.type].is_event != (head.serial == 0) ||
        head.number > types[head.type].number_max || head.length != size - sizeof head ||
        head.length > types[head.type].payload_max || !id_is_valid(&head))
        return FALSE;
    *ret_head = head;
    *ret_payload = (const uint8_t *)packet + sizeof head;
    return TRUE;
}

void
egress_begin(WireWriter *w, void *buffer, gsize size)
{
    *w = (WireWriter){
        .data = buffer, .size = MIN(size, EGRESS_PACKET_MAX), .used = sizeof(EgressHead)};
    w->overflow = size < sizeof(EgressHead);
}

gsize
egress_end(WireWriter *w, const EgressHead *given)
{
    EgressHead head = *given;

    if (w->overflow)
        return 0;
    head.length = (uint32_t)(w->used - sizeof head);
    memcpy(w->data, &head, sizeof head);
    return w->used;
}

/* --- SET --- */

void
egress_setting_put(WireWriter *w, const EgressSetting *setting)
{
    wire_put_string(w, setting->proxy);
    wire_put_u32(w, setting->count);
    for (guint i = 0; i < setting->count; i++)
        net_policy_put(w, setting->layers[i]);
}

gboolean
egress_setting_get(const uint8_t *payload, gsize size, EgressSetting *ret)
{
    EgressSetting setting = {0};
    WireReader r;
    guint32 count;

    wire_reader_init(&r, payload, size);
    setting.proxy = wire_get_string(&r, PROXY_MAX);
    count = wire_get_u32(&r);
    if (count == 0 || count > EGRESS_LAYERS_MAX)
        r.failed = true;
    while (!r.failed && setting.count < count) {
        setting.layers[setting.count] = net_policy_get(&r);
        if (setting.layers[setting.count++] == NULL)
            r.failed = true;
    }
    if (wire_reader_end(&r) < 0) {
        egress_setting_clear(&setting);
        return FALSE;
    }
    *ret = setting;
    return TRUE;
}

void
egress_setting_clear(EgressSetting *setting)
{
    g_clear_pointer(&setting->proxy, g_free);
    for (guint i = 0; i < setting->count; i++)
        net_policy_free(setting->layers[i]);
    setting->count = 0;
}

/* --- FIGURES --- */

void
egress_traffic_put(WireWriter *w, const EgressTraffic *traffic)
{
    wire_put_u64(w, traffic->bytes_up);
    wire_put_u64(w, traffic->bytes_down);
    wire_put_u64(w, traffic->connections);
    wire_put_u64(w, traffic->refused);
    wire_put_u64(w, traffic->failed);
    wire_put_u64(w, traffic->open);
    wire_put_u64(w, traffic->lookups);
    wire_put_u64(w, traffic->requests);
}

gboolean
egress_traffic_get(const uint8_t *payload, gsize size, EgressTraffic *ret)
{
    EgressTraffic traffic;
    WireReader r;

    wire_reader_init(&r, payload, size);
    traffic.bytes_up = wire_get_u64(&r);
    traffic.bytes_down = wire_get_u64(&r);
    traffic.connections = wire_get_u64(&r);
    traffic.refused = wire_get_u64(&r);
    traffic.failed = wire_get_u64(&r);
    traffic.open = wire_get_u64(&r);
    traffic.lookups = wire_get_u64(&r);
    traffic.requests = wire_get_u64(&r);
    if (wire_reader_end(&r) < 0)
        return FALSE;
    *ret = traffic;
    return TRUE;
}
