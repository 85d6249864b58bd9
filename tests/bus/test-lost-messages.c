/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-lost-messages: the service learns that a caller has left although the bus dropped the
 * signal.
 *
 * The bus drops all messages to a connection with more than 64 unread descriptors.
 */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <signal.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

#define BUS "org.freedesktop.DBus"
#define CALLER_UID 1
#define MESSAGES 1500 /* more than the socket's buffer and the queue in the bus hold */
#define SWEEP_S 60    /* the service asks the bus who is there */

static Fixture *fixture;
static GDBusConnection *greedy; /* OTHER_UID */

/* --- the queue of the service --- */

/* A call that waits for no answer, with a descriptor. */
static void
send_descriptor(int fd)
{
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call("org.cloche1", MANAGER, "org.cloche1.Manager", "GetQuota");
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    g_autoptr(GError) error = NULL;

    g_unix_fd_list_append(fds, fd, &error);
    g_assert_no_error(error);
    g_dbus_message_set_unix_fd_list(message, fds);
    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    g_dbus_connection_send_message(greedy, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(g_dbus_connection_flush_sync(greedy, NULL, NULL));
}

/* The service is stopped. */
static void
fill_queue(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(Pending) refused = NULL;

    for (guint i = 0; i < MESSAGES; i++)
        send_descriptor(fd);
    close(fd);
    refused = call_start(greedy, MANAGER, "GetQuota", "()");
    pending_wait(refused);
    g_assert_error(refused->error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED);
}

/* The service goes on: waits until it has read its queue. */
static void
drain_queue(void)
{
    gboolean is_full = TRUE;

    while (is_full) {
        g_autoptr(Pending) pending = call_start(greedy, MANAGER, "GetQuota", "()");

        pending_wait(pending);
        is_full = g_error_matches(pending->error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED);
    }
}

/* --- the caller --- */

static void
on_owner_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                 const char *signal, GVariant *parameters, gpointer data)
{
    *(gboolean *)data = TRUE;
}

static void
leave(GDBusConnection *bus)
{
    gboolean has_left = FALSE;
    guint subscription = g_dbus_connection_signal_subscribe(
        fixture->bus, BUS, BUS, "NameOwnerChanged", "/org/freedesktop/DBus",
        g_dbus_connection_get_unique_name(bus), G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed,
        &has_left, NULL);

    fixture_leave(bus);
    wait_until(&has_left);
    g_dbus_connection_signal_unsubscribe(fixture->bus, subscription);
}

static guint64
count_processes(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);
    guint64 used, limit;

    g_assert_true(g_variant_lookup(own, "processes", "(tt)", &used, &limit));
    return used;
}

/* No signal reports it. */
static void
wait_for_processes(GDBusConnection *bus, guint64 count, guint seconds)
{
    gint64 end_us = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

    while (count_processes(bus) != count) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        run_loop_for(20);
    }
}

static void
test_caller_leaves(void)
{
    GDBusConnection *caller = fixture_connect(fixture, CALLER_UID);
    GDBusConnection *witness = fixture_connect(fixture, CALLER_UID);
    g_autofree char *sandbox = create(witness);
    g_autoptr(Pending) run = call_start(caller, sandbox, "Run", "(['sleep', '1000'], @a{sv} {})");

    wait_for_processes(witness, 1, /* seconds= */ 30);
    g_subprocess_send_signal(fixture->service, SIGSTOP);
    fill_queue();
    leave(caller);
    g_subprocess_send_signal(fixture->service, SIGCONT);
    drain_queue();
    wait_for_processes(witness, 0, SWEEP_S + 30);
    kill_sandbox(witness, sandbox);
    fixture_leave(witness);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 1};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lost-messages/caller-leaves", test_caller_leaves);
    fixture = fixture_new(&options);
    greedy = fixture_connect(fixture, OTHER_UID);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    status = g_test_run();
    fixture_leave(greedy);
    fixture_free(fixture);
    return status;
}
