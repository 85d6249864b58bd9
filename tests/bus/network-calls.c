/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-calls: what tests of networks ask the service, and how they run. */
#include "network-calls.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Fixture *network_fixture;
GDBusConnection *network_bus;

char *
network_create(GDBusConnection *caller, const char *network)
{
    g_autofree char *words = g_strdup_printf("({'network': <%s>},)", network);
    g_autoptr(GVariant) answer = call(caller, MANAGER, "CreateSandbox", words);
    char *sandbox;

    g_variant_get(answer, "(o)", &sandbox);
    return sandbox;
}

int
network_value(const char *text)
{
    int fd = memfd_create("value", MFD_CLOEXEC);

    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
    return fd;
}

GVariant *
network_call_with_value(GDBusConnection *caller, const char *object, const char *method,
                        const char *words, int fd, GError **error)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    const char *interface =
        g_str_equal(object, MANAGER) ? "org.cloche1.Manager" : "org.cloche1.Sandbox";

    return g_dbus_connection_call_with_unix_fd_list_sync(
        caller, "org.cloche1", object, interface, method, g_variant_new_parsed(words),
        /* reply_type= */ NULL, G_DBUS_CALL_FLAGS_NONE, 30000, fds, /* out= */ NULL, NULL, error);
}

void
network_set(GDBusConnection *caller, const char *sandbox, const char *network)
{
    g_autofree char *words = g_strdup_printf("(%s,)", network);
    g_autoptr(GVariant) done = call(caller, sandbox, "SetNetwork", words);
}

GVariant *
network_get(GDBusConnection *caller, const char *sandbox)
{
    return get_property(caller, sandbox, "Network");
}

void
network_assert_state(const char *sandbox, const char *mode, const char *state, const char *reason)
{
    g_autoptr(GVariant) network = network_get(network_bus, sandbox);
    g_autofree char *has_mode = dict_string(network, "mode");
    g_autofree char *has_state = dict_string(network, "state");
    g_autofree char *has_reason = dict_string(network, "reason");

    g_assert_cmpstr(has_mode, ==, mode);
    g_assert_cmpstr(has_state, ==, state);
    g_assert_cmpstr(has_reason, ==, reason);
}

gboolean
network_has_state(const char *sandbox, const char *state)
{
    g_autoptr(GVariant) network = network_get(network_bus, sandbox);
    g_autofree char *has = dict_string(network, "state");

    return g_str_equal(has, state);
}

void
network_wait_for_state(Listener *listener, const char *sandbox, const char *state)
{
    while (!network_has_state(sandbox, state)) {
        g_autoptr(GVariant) changed = listener_wait(listener, sandbox, "PropertiesChanged");
    }
}

guint64
network_connections_in_use(GDBusConnection *caller)
{
    g_autoptr(GVariant) answer = call(caller, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);
    guint64 used, limit;

    g_assert_true(g_variant_lookup(own, "connections", "(tt)", &used, &limit));
    return used;
}

int
network_watch(GDBusConnection *caller, const char *sandbox)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        caller, "org.cloche1", sandbox, "org.cloche1.Sandbox", "WatchConnections",
        g_variant_new_parsed(NO_OPTIONS), NULL, G_DBUS_CALL_FLAGS_NONE, 30000, NULL, &fds, NULL,
        &error);

    g_assert_no_error(error);
    return g_unix_fd_list_get(fds, 0, NULL);
}

char *
network_read_record(const char *sandbox)
{
    g_autofree char *path =
        g_build_filename(network_fixture->state, "sandboxes", id_of(sandbox), NULL);
    g_autoptr(GError) error = NULL;
    char *text;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void
run_test(gconstpointer data)
{
    egress_forget_log(network_fixture);
    ((const NetworkTest *)data)->test();
}

int
network_run_tests(const NetworkTest *tests)
{
    const FixtureOptions options = {
        .has_egress = TRUE, .has_log = TRUE, .has_interpreter = TRUE, .interpreter_runners = ""};
    int status;

    for (; tests->name; tests++)
        g_test_add_data_func(tests->name, tests, run_test);
    network_fixture = fixture_new(&options);
    network_bus = network_fixture->bus;
    egress_start_fake(network_fixture);
    status = g_test_run();
    fixture_free(network_fixture);
    egress_kill_fake();
    return status;
}
