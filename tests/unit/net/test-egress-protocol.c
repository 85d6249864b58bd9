/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-egress-protocol: each field of a packet, and the payloads. */
#include "egress-protocol.h"

#include <string.h>

#include "error.h"
#include "policies.h"

static guint8 packet[EGRESS_PACKET_MAX + 64];

enum { TO_CLOCHED, FROM_CLOCHED };

typedef struct {
    EgressType type;
    gboolean direction;
    const char *id;
    uint32_t serial;
    gboolean has_fd;
    uint32_t number_max;
    gsize payload_max;
} Message;

static const Message messages[] = {
    {EGRESS_PORT, FROM_CLOCHED, "a1", 1, TRUE, 0, 0},
    {EGRESS_SECRET, FROM_CLOCHED, "a1", 1, TRUE, NET_SECRETS_MAX - 1, 0},
    {EGRESS_SET, FROM_CLOCHED, "a1", 1, FALSE, G_MAXUINT32, NET_POLICY_SIZE_MAX},
    {EGRESS_REMOVE, FROM_CLOCHED, "a1", 1, FALSE, 0, 0},
    {EGRESS_TRAFFIC, FROM_CLOCHED, "a1", 1, FALSE, 0, 0},
    {EGRESS_WATCH, FROM_CLOCHED, "a1", 1, TRUE, 0, 0},
    {EGRESS_LIST, FROM_CLOCHED, "", 1, FALSE, 0, 0},
    {EGRESS_READY, TO_CLOCHED, "", 0, FALSE, 0, 0},
    {EGRESS_DONE, TO_CLOCHED, "a1", 1, FALSE, 1, 4 + EGRESS_PEM_MAX},
    {EGRESS_DONE, TO_CLOCHED, "", 1, FALSE, 1, 4 + EGRESS_PEM_MAX},
    {EGRESS_FAILED, TO_CLOCHED, "a1", 1, FALSE, _CLOCHE_ERROR_MAX - 1, 4 + EGRESS_TEXT_MAX},
    {EGRESS_FIGURES, TO_CLOCHED, "a1", 1, FALSE, 0, 64},
    {EGRESS_WORKER, TO_CLOCHED, "a1", 1, FALSE, 1, 0},
    {EGRESS_LOST, TO_CLOCHED, "a1", 0, FALSE, 0, 4 + EGRESS_TEXT_MAX},
    {EGRESS_EXHAUSTED, TO_CLOCHED, "a1", 0, FALSE, 0, 0},
};

static gsize
make(const EgressHead *head, gsize payload)
{
    memset(packet, 0x5a, sizeof packet);
    memcpy(packet, head, sizeof *head);
    ((EgressHead *)packet)->length = (uint32_t)payload;
    return sizeof *head + payload;
}

static EgressHead
make_head(const Message *message)
{
    EgressHead head;

    egress_head_init(&head, message->type, message->id, message->serial);
    return head;
}

/* Unpacks an exact copy, so that a sanitizer sees what is read beyond its end. */
static gboolean
unpack(const Message *message, gsize size)
{
    g_autofree guint8 *exact = g_memdup2(packet, size);
    EgressHead head;
    const uint8_t *payload = NULL;
    gboolean is_valid =
        egress_unpack(exact, size, message->has_fd, message->direction, &head, &payload);

    g_assert_true(!is_valid || payload == exact + sizeof head);
    g_assert_true(!is_valid || memcmp(&head, exact, sizeof head) == 0);
    return is_valid;
}

static void
test_types(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        Message other = messages[i];
        EgressHead head = make_head(&other);
        gsize size = make(&head, 0);

        g_test_message("type %d", other.type);
        g_assert_true(unpack(&messages[i], size));
        other.has_fd = !other.has_fd;
        g_assert_false(unpack(&other, size));
        other = messages[i];
        other.direction = !other.direction;
        g_assert_false(unpack(&other, size));
    }
}

static void
test_numbers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        EgressHead head = make_head(&messages[i]);

        g_test_message("type %d", messages[i].type);
        head.number = messages[i].number_max;
        g_assert_true(unpack(&messages[i], make(&head, 0)));
        head.number++;
        if (head.number != 0)
            g_assert_false(unpack(&messages[i], make(&head, 0)));
    }
}

static void
test_lengths(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        const EgressHead head = make_head(&messages[i]);
        gsize max = messages[i].payload_max, size = make(&head, max);

        g_test_message("type %d", messages[i].type);
        g_assert_true(unpack(&messages[i], size));
        g_assert_false(unpack(&messages[i], size - 1));
        g_assert_false(unpack(&messages[i], size + 1));
        g_assert_false(unpack(&messages[i], make(&head, max + 1)));
    }
    g_assert_false(unpack(&messages[0], 0));
    g_assert_false(unpack(&messages[0], sizeof(EgressHead) - 1));
}

static void
test_serials(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        EgressHead head = make_head(&messages[i]);

        head.serial = head.serial == 0 ? 1 : 0;
        g_assert_false(unpack(&messages[i], make(&head, 0)));
        head.serial = head.serial == 0 ? 0 : G_MAXUINT32;
        g_assert_false(unpack(&messages[i], make(&head, 0)));
    }
}

static void
test_invalid_heads(void)
{
    static const uint16_t no_types[] = {0, EGRESS_LIST + 1, EGRESS_READY - 1, EGRESS_EXHAUSTED + 1,
                                        G_MAXUINT16};
    static const uint16_t no_versions[] = {0, EGRESS_PROTOCOL_VERSION + 1, G_MAXUINT16};

    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        EgressHead head = make_head(&messages[i]);

        for (gsize v = 0; v < G_N_ELEMENTS(no_versions); v++) {
            head.version = no_versions[v];
            g_assert_false(unpack(&messages[i], make(&head, 0)));
        }
        head.version = EGRESS_PROTOCOL_VERSION;
        for (gsize t = 0; t < G_N_ELEMENTS(no_types); t++) {
            head.type = no_types[t];
            g_assert_false(unpack(&messages[i], make(&head, 0)));
        }
    }
}

static void
test_ids(void)
{
    static const struct {
        const char *id;
        gboolean is_valid;
    } rows[] = {
        {"a", TRUE},    {"09az", TRUE}, {"A", FALSE},   {"a-b", FALSE},  {"../a", FALSE},
        {"a/b", FALSE}, {"a b", FALSE}, {"a\n", FALSE}, {"\377", FALSE}, {"", FALSE},
    };
    const Message *set = &messages[2], *list = &messages[6];
    EgressHead head;

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        egress_head_init(&head, EGRESS_SET, rows[i].id, 1);
        g_assert_cmpint(unpack(set, make(&head, 0)), ==, rows[i].is_valid);
        egress_head_init(&head, EGRESS_LIST, rows[i].id, 1);
        g_assert_cmpint(unpack(list, make(&head, 0)), ==, *rows[i].id == '\0');
    }
    egress_head_init(&head, EGRESS_SET, "", 1);
    memset(head.id, 'a', EGRESS_ID_SIZE - 1);
    g_assert_true(unpack(set, make(&head, 0)));
    memset(head.id, 'a', EGRESS_ID_SIZE);
    g_assert_false(unpack(set, make(&head, 0)));
    memset(head.id, 'a', sizeof head.id);
    g_assert_false(unpack(set, make(&head, 0)));
    /* bytes after the end of an id */
    for (gsize i = 3; i < sizeof head.id; i++) {
        egress_head_init(&head, EGRESS_SET, "a1", 1);
        head.id[i] = 'a';
        g_assert_false(unpack(set, make(&head, 0)));
    }
}

/* A buffer that is too small by one byte, and one that just suffices. */
static void
test_packing(void)
{
    const EgressHead head = make_head(&messages[8]);
    WireWriter w;

    for (gsize size = 0; size < sizeof head + 5; size++) {
        g_autofree guint8 *exact = g_malloc(size + 1);

        egress_begin(&w, exact, size);
        wire_put_bytes(&w, "x", 1);
        g_assert_cmpuint(egress_end(&w, &head), ==, 0);
    }
    egress_begin(&w, packet, sizeof head + 5);
    wire_put_bytes(&w, "x", 1);
    g_assert_cmpuint(egress_end(&w, &head), ==, sizeof head + 5);
    g_assert_true(unpack(&messages[8], sizeof head + 5));
    /* A larger buffer does not make packets that nobody accepts. */
    egress_begin(&w, packet, sizeof packet);
    for (guint i = 0; i < NET_POLICY_SIZE_MAX / 4; i++)
        wire_put_u32(&w, i);
    g_assert_cmpuint(egress_end(&w, &head), ==, EGRESS_PACKET_MAX);
    wire_put_u32(&w, 0);
    g_assert_cmpuint(egress_end(&w, &head), ==, 0);
}

/* --- payloads --- */

static gsize
put_setting(const EgressSetting *setting)
{
    WireWriter w;

    egress_begin(&w, packet, sizeof packet);
    egress_setting_put(&w, setting);
    g_assert_false(w.overflow);
    return w.used - sizeof(EgressHead);
}

static gboolean
get_setting(gsize size, EgressSetting *ret)
{
    g_autofree guint8 *exact = g_memdup2(packet + sizeof(EgressHead), size);

    return egress_setting_get(exact, size, ret);
}

static void
test_setting(void)
{
    NetSecret *secret;
    EgressSetting setting = {.proxy = g_strdup("http://proxy.example:3128"), .count = 2}, read;
    gsize size;

    setting.layers[0] = net_policy_new();
    setting.layers[1] = policy_new(&secret);
    set_list(&setting.layers[1]->allow, list_new("a.example"));
    size = put_setting(&setting);
    for (gsize i = 0; i < size; i++)
        g_assert_false(get_setting(i, &read));
    g_assert_true(get_setting(size, &read));
    g_assert_cmpstr(read.proxy, ==, setting.proxy);
    g_assert_cmpuint(read.count, ==, 2);
    g_assert_cmpint(read.layers[0]->mode, ==, NET_OFF);
    g_assert_cmpint(read.layers[1]->mode, ==, NET_INTERNET);
    g_assert_cmpstr(read.layers[1]->allow[0], ==, "a.example");
    g_assert_cmpuint(read.layers[1]->secrets->len, ==, 1);
    egress_setting_clear(&read);
    g_assert_null(read.proxy);
    egress_setting_clear(&read);
    packet[sizeof(EgressHead) + size] = 0;
    g_assert_false(get_setting(size + 1, &read));
    egress_setting_clear(&setting);
}

static void
test_setting_bounds(void)
{
    EgressSetting setting = {.proxy = g_strnfill(512, 'p'), .count = EGRESS_LAYERS_MAX}, read;
    guint8 *count = packet + sizeof(EgressHead) + 4;

    for (guint i = 0; i < EGRESS_LAYERS_MAX; i++)
        setting.layers[i] = net_policy_new();
    g_assert_true(get_setting(put_setting(&setting), &read));
    egress_setting_clear(&read);

    g_free(setting.proxy);
    setting.proxy = g_strnfill(513, 'p');
    g_assert_false(get_setting(put_setting(&setting), &read));
    g_free(setting.proxy);
    setting.proxy = g_strdup("");
    g_assert_true(get_setting(put_setting(&setting), &read));
    egress_setting_clear(&read);

    /* as many policies as there may be, and one more */
    gsize size = put_setting(&setting), policy = (size - 8) / EGRESS_LAYERS_MAX;
    memcpy(packet + sizeof(EgressHead) + size, packet + sizeof(EgressHead) + size - policy, policy);
    *count = EGRESS_LAYERS_MAX + 1;
    g_assert_false(get_setting(size + policy, &read));
    *count = 0;
    g_assert_false(get_setting(8, &read));
    *count = 1;
    g_assert_true(get_setting(8 + policy, &read));
    egress_setting_clear(&read);
    egress_setting_clear(&setting);
}

/* As many layers as there may be, each as large as net_policy_check() allows, are one packet. */
static void
test_largest_setting(void)
{
    EgressSetting setting = {.proxy = g_strnfill(512, 'p'), .count = EGRESS_LAYERS_MAX}, read;
    g_autofree char *label = g_strnfill(62, 'a');
    g_autofree char *entry = g_strjoin(".", label, label, label, NULL);
    gsize size;

    for (guint i = 0; i < EGRESS_LAYERS_MAX; i++) {
        setting.layers[i] = policy_new(NULL);
        set_list(&setting.layers[i]->allow, repeat(entry, 213));
        g_assert_true(net_policy_check(setting.layers[i], NULL));
    }
    size = put_setting(&setting);
    g_assert_cmpuint(size, >, 115u * 1024);
    g_assert_true(get_setting(size, &read));
    egress_setting_clear(&read);
    egress_setting_clear(&setting);
}

static void
test_traffic(void)
{
    const EgressTraffic traffic = {1, G_MAXUINT64, 3, 4, 5, 6, 7, 8};
    EgressTraffic read;
    WireWriter w;

    egress_begin(&w, packet, sizeof packet);
    egress_traffic_put(&w, &traffic);
    gsize size = w.used - sizeof(EgressHead);
    const guint8 *payload = packet + sizeof(EgressHead);

    g_assert_cmpuint(size, ==, 64);
    g_assert_true(egress_traffic_get(payload, size, &read));
    g_assert_cmpmem(&read, sizeof read, &traffic, sizeof traffic);
    g_assert_false(egress_traffic_get(payload, size - 1, &read));
    g_assert_false(egress_traffic_get(payload, size + 1, &read));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/egress-protocol/types", test_types);
    g_test_add_func("/net/egress-protocol/numbers", test_numbers);
    g_test_add_func("/net/egress-protocol/lengths", test_lengths);
    g_test_add_func("/net/egress-protocol/serials", test_serials);
    g_test_add_func("/net/egress-protocol/invalid-heads", test_invalid_heads);
    g_test_add_func("/net/egress-protocol/ids", test_ids);
    g_test_add_func("/net/egress-protocol/packing", test_packing);
    g_test_add_func("/net/egress-protocol/setting", test_setting);
    g_test_add_func("/net/egress-protocol/setting-bounds", test_setting_bounds);
    g_test_add_func("/net/egress-protocol/largest-setting", test_largest_setting);
    g_test_add_func("/net/egress-protocol/traffic", test_traffic);
    return g_test_run();
}
