/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-lease: a leased sandbox is extended in time, and ends soon after its client. */
#include "lease.h"

#include "fake-service.h"

static void
test_seconds(void)
{
    FakeService fake = {.state = "ready"};

    fake_service_open(&fake);
    g_assert_cmpuint(lease_seconds(fake.manager), ==, 60);
    g_dbus_proxy_set_cached_property(G_DBUS_PROXY(fake.manager), "Limits",
                                     g_variant_new_parsed("{'lifetime': <uint64 86400>}"));
    g_assert_cmpuint(lease_seconds(fake.manager), ==, 300);
    fake_service_close(&fake);
}

/* Counts SetTimeout() calls as they leave the client. */
static GDBusMessage *
count_extensions(GDBusConnection *connection, GDBusMessage *message, gboolean is_incoming,
                 gpointer n)
{
    if (!is_incoming && g_strcmp0(g_dbus_message_get_member(message), "SetTimeout") == 0)
        g_atomic_int_inc((gint *)n);
    return message;
}

static void
test_extended(void)
{
    FakeService fake = {.state = "ready"};
    g_autoptr(Lease) lease = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;
    g_autoptr(GAsyncResult) reply = NULL;
    gint n = 0;
    guint filter;

    fake_service_open(&fake);
    cloche_sandbox_proxy_new(fake.connections[1], G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES,
                             /* name= */ NULL, CLIENT_SANDBOX_PATH "abc", /* cancellable= */ NULL,
                             fake_service_on_reply, &reply);
    fake_service_await(&reply);
    sandbox = cloche_sandbox_proxy_new_finish(reply, /* error= */ NULL);
    filter = g_dbus_connection_add_filter(fake.connections[1], count_extensions, &n,
                                          /* free= */ NULL);
    lease = lease_new(sandbox, /* seconds= */ 1);
    while (g_atomic_int_get(&n) < 2)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
    g_dbus_connection_remove_filter(fake.connections[1], filter);
    fake_service_close(&fake);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client/lease/seconds", test_seconds);
    g_test_add_func("/client/lease/extended", test_extended);
    return g_test_run();
}
