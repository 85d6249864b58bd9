/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-record-network: a policy is read from a record as it was written, or not at all. */
#include <string.h>

#include "error.h"
#include "fixture.h"
#include "record.h"

static char **
list_of(const char *text)
{
    return g_strsplit(text, " ", -1);
}

static void
add_secret(NetPolicy *policy, const char *host, const char *header)
{
    NetSecret *secret = g_new0(NetSecret, 1);

    secret->name = g_strdup("token");
    secret->host = g_strdup(host);
    secret->port = 8443;
    secret->header = g_strdup(header);
    secret->format = g_strdup("Bearer %s; of [a]=b");
    secret->methods = list_of("GET POST");
    secret->paths = list_of("/v1/;x /");
    g_ptr_array_add(policy->secrets, secret);
}

static NetPolicy *
example(void)
{
    NetPolicy *policy = net_policy_new();

    g_strfreev(policy->allow);
    g_strfreev(policy->deny);
    policy->mode = NET_RESTRICTED;
    policy->allow = list_of("a.com *.b.com:22/tcp [fd00::1]:80");
    policy->deny = list_of("c.com");
    policy->has_private = TRUE;
    policy->bandwidth = G_MAXUINT64;
    policy->connections = NET_CONNECTIONS_MAX;
    policy->traffic = 1;
    add_secret(policy, "x.b.com", "X-Key");
    policy->allow = g_realloc_n(policy->allow, 5, sizeof(char *));
    policy->allow[3] = g_strdup("x.b.com:8443");
    policy->allow[4] = NULL;
    return policy;
}

/* Two policies are equal if their messages are. */
static GBytes *
bytes_of(const NetPolicy *policy)
{
    g_autofree uint8_t *buffer = g_malloc0(NET_POLICY_SIZE_MAX);
    WireWriter w = {.data = buffer, .size = NET_POLICY_SIZE_MAX};

    net_policy_put(&w, policy);
    return g_bytes_new(buffer, w.used);
}

static void
assert_equal(const NetPolicy *a, const NetPolicy *b)
{
    g_autoptr(GBytes) x = bytes_of(a), y = bytes_of(b);

    g_assert_true(g_bytes_equal(x, y));
}

static Record
record_with(NetPolicy *network, NetPolicy *base, const char *closed)
{
    static char *none[] = {NULL};

    return (Record){.id = (char *)"abc",
                    .name = (char *)"",
                    .template = (char *)"box",
                    .boot_id = (char *)"",
                    .metadata = none,
                    .languages = none,
                    .user = (char *)"user",
                    .network = network,
                    .network_base = base,
                    .network_closed = (char *)closed};
}

static Record *
write_and_read(Fixture *f, const Record *record)
{
    g_autoptr(GError) error = NULL;
    Record *found;

    record_write(f->store, record, /* gate= */ NULL, &error);
    g_assert_no_error(error);
    found = record_read(f->store, record->id, &error);
    g_assert_no_error(error);
    return found;
}

static void
test_same(Fixture *f, gconstpointer data)
{
    g_autoptr(NetPolicy) policy = example(), base = net_policy_new();
    Record record = record_with(policy, base, "used up;\n");
    g_autoptr(Record) found = NULL, copy = NULL;

    base->mode = NET_INTERNET;
    found = write_and_read(f, &record);
    assert_equal(found->network, policy);
    assert_equal(found->network_base, base);
    g_assert_cmpstr(found->network_closed, ==, "used up;\n");
    copy = record_copy(found);
    assert_equal(copy->network, policy);
}

/* An earlier version wrote none. */
static void
test_none(Fixture *f, gconstpointer data)
{
    Record record = record_with(NULL, NULL, NULL);
    g_autoptr(Record) found = write_and_read(f, &record);

    g_assert_null(found->network);
    g_assert_null(found->network_base);
    g_assert_null(found->network_closed);
}

static void
change(Fixture *f, const char *from, const char *to)
{
    g_autofree char *path = g_build_filename(f->dir, "state/sandboxes/abc", NULL), *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autofree char *changed = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    parts = g_strsplit(text, from, 2);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    changed = g_strjoinv(to, parts);
    g_assert_true(g_file_set_contents(path, changed, -1, NULL));
}

/* The sandbox has no network, and the record says why. */
static void
test_invalid(Fixture *f, gconstpointer data)
{
    static const char *const changes[][3] = {
        {"Mode=restricted", "Mode=on", "Mode is 'on'"},
        {"Mode=restricted\n", "", "Mode"},
        {"Allow=a.com", "Allow=a..com", "a..com"},
        {"Connections=256", "Connections=257", "Connections is more than 256"},
        {"Secrets=1", "Secrets=2", "Network.Secret.1"},
        {"Secrets=1", "Secrets=17", "Secrets is more than 16"},
        {"Header=X-Key", "Header=Host", "'Host' is not a header"},
        {"Port=8443", "Port=65536", "Port is more than 65535"},
        {"Private=true", "Private=maybe", "Private"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(NetPolicy) policy = example();
        Record record = record_with(policy, NULL, NULL);
        g_autoptr(Record) before = write_and_read(f, &record), after = NULL;
        g_autoptr(GError) error = NULL;

        change(f, changes[i][0], changes[i][1]);
        after = record_read(f->store, "abc", &error);
        g_assert_no_error(error);
        g_assert_null(after->network);
        g_assert_true(g_str_has_prefix(after->network_closed, "its record is invalid: [Network]"));
        if (!strstr(after->network_closed, changes[i][2]))
            g_error("'%s' is not in: %s", changes[i][2], after->network_closed);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/record-network/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("same", test_same);
    ADD("none", test_none);
    ADD("invalid", test_invalid);
    return g_test_run();
}
