/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-greedy-callers: whatever one user sends, does not read, or has in progress, the calls of
 * another user are answered.
 *
 * A call that is not answered fails the test after half a minute. The bus has the limits of
 * dbus/org.cloche1.conf.
 */
#include <signal.h>
#include <string.h>

#include "client.h"
#include "deaf-client.h"

#define GREEDY_UID 1
#define MIB (1024u * 1024)
#define START "(['sh', '-c', 'exec sleep 1000', %s], @a{sv} {})"

static Fixture *fixture;
static GDBusConnection *greedy, *other;

static void
assert_other_is_served(void)
{
    g_variant_unref(call(other, MANAGER, "GetQuota", "()"));
}

/* --- answers that nobody reads --- */

static void
test_unread_descriptors(void)
{
    g_autofree char *sandbox = create(greedy);
    g_autoptr(DeafClient) deaf = deaf_client_new(fixture, GREEDY_UID);
    DeafCount count;

    /* polkit is asked once, and not for each of the calls. */
    deaf_client_call(deaf, sandbox, "org.freedesktop.DBus.Properties.GetAll",
                     "('org.cloche1.Sandbox',)");
    while (deaf_client_drain(deaf).answers == 0)
        assert_other_is_served();
    deaf_client_fill(deaf);
    for (guint i = 0; i < 120; i++) {
        deaf_client_call(deaf, sandbox, "org.cloche1.Sandbox.Start",
                         "(['sleep', '1000'], @a{sv} {})");
        if (i % 10 == 0)
            assert_other_is_served();
    }
    assert_other_is_served();
    g_variant_unref(run_shell(greedy, sandbox, "true")); /* another connection of the same user */
    count = deaf_client_drain(deaf);
    g_assert_cmpuint(count.fds, <=, 48);
    kill_sandbox(greedy, sandbox);
}

/* Pages of one MiB each. */
static void
test_unread_bytes(void)
{
    g_autofree char *value = g_strnfill(4096, 'x');
    g_autoptr(GPtrArray) sandboxes = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) deaf = g_ptr_array_new_with_free_func((GDestroyNotify)deaf_client_free);
    GVariantBuilder metadata;
    g_autoptr(GVariant) options = NULL;
    gsize bytes = 0;

    g_variant_builder_init(&metadata, G_VARIANT_TYPE("a{ss}"));
    for (guint i = 0; i < 64; i++) {
        g_autofree char *key = g_strdup_printf("key-%u", i);

        g_variant_builder_add(&metadata, "{ss}", key, value);
    }
    options = g_variant_ref_sink(g_variant_builder_end(&metadata));
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GVariant) created =
            call(greedy, MANAGER, "CreateSandbox", "({'metadata': <%*>},)", options);
        char *path;

        g_variant_get(created, "(o)", &path);
        g_ptr_array_add(sandboxes, path);
    }
    for (guint i = 0; i < 12; i++) {
        DeafClient *client = deaf_client_new(fixture, GREEDY_UID);

        g_ptr_array_add(deaf, client);
        for (guint j = 0; j < 100; j++)
            deaf_client_call(client, MANAGER, "org.cloche1.Manager.ListSandboxes", "(@a{sv} {},)");
        assert_other_is_served();
    }
    for (guint i = 0; i < deaf->len; i++) {
        const DeafCount count = deaf_client_drain(deaf->pdata[i]);

        g_assert_cmpuint(count.bytes, <=, 4 * MIB);
        bytes += count.bytes;
    }
    g_assert_cmpuint(bytes, <=, 24 * MIB);
    g_assert_cmpuint(bytes, >=, 12 * MIB);
    for (guint i = 0; i < sandboxes->len; i++)
        kill_sandbox(greedy, sandboxes->pdata[i]);
}

/* GDBus answers them without any code of the service. */
static void
test_unread_introspection(void)
{
    g_autoptr(DeafClient) deaf = deaf_client_new(fixture, GREEDY_UID);
    DeafCount count;

    for (guint i = 0; i < 12; i++) {
        for (guint j = 0; j < 100; j++)
            deaf_client_call(deaf, MANAGER, "org.freedesktop.DBus.Introspectable.Introspect", "()");
        assert_other_is_served();
    }
    count = deaf_client_drain(deaf);
    g_assert_cmpuint(count.answers, >=, 4);
    g_assert_cmpuint(count.bytes, <=, 4 * MIB + 96 * 1024);
    g_assert_cmpuint(count.answers, <, 1200);
}

/* A connection that reads gets everything, however much it is. */
static void
test_reader_is_not_limited(void)
{
    g_autoptr(GPtrArray) pending = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    g_autofree char *sandbox = create(greedy);

    for (guint i = 0; i < 100; i++)
        g_ptr_array_add(pending,
                        call_start(greedy, sandbox, "Start", "(['sleep', '1000'], @a{sv} {})"));
    for (guint i = 0; i < pending->len; i++) {
        Pending *started = pending->pdata[i];

        pending_wait(started);
        g_assert_no_error(started->error);
    }
    kill_sandbox(greedy, sandbox);
}

/* --- calls --- */

/* Beyond what may wait, calls are refused, in their turn. */
static void
test_too_many_calls(void)
{
    g_autoptr(GPtrArray) deaf = g_ptr_array_new_with_free_func((GDestroyNotify)deaf_client_free);
    guint answers = 0, errors = 0;

    g_subprocess_send_signal(fixture->service, SIGSTOP);
    for (guint i = 0; i < 50; i++) {
        DeafClient *client = deaf_client_new(fixture, GREEDY_UID);

        g_ptr_array_add(deaf, client);
        for (guint j = 0; j < 100; j++)
            deaf_client_call(client, MANAGER, "org.cloche1.Manager.GetQuota", "()");
        deaf_client_wait_for_bus(client);
    }
    g_subprocess_send_signal(fixture->service, SIGCONT);
    while (answers + errors < 5000) {
        assert_other_is_served();
        for (guint i = 0; i < deaf->len; i++) {
            const DeafCount count = deaf_client_drain(deaf->pdata[i]);

            answers += count.answers;
            errors += count.errors;
        }
    }
    g_assert_cmpuint(answers, >=, 4096);
    g_assert_cmpuint(errors, >, 0);
}

/* Calls a program that does not read its standard input; the service keeps that twice. */
static Pending *
hold_input(const char *sandbox, const char *text)
{
    Pending *run = call_start(greedy, sandbox, "Run", "(['sleep', '1000'], {'stdin': <%s>})", text);

    /* Calls of a connection begin in their order, so this one does not wait for its turn. */
    g_variant_unref(get_property(greedy, sandbox, "State"));
    return run;
}

static void
test_held_input(void)
{
    g_autoptr(GPtrArray) pending = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    g_autofree char *sandbox = create(greedy);
    g_autofree char *text = g_strnfill(MIB, 'x');
    guint refused = 0;

    g_variant_unref(run_shell(greedy, sandbox, "true")); /* polkit is asked */
    for (guint i = 0; i < 40; i++)
        g_ptr_array_add(pending, hold_input(sandbox, text));
    call_fails(greedy, sandbox, "Run", "QuotaExceeded",
               "The limit buffer-size of user 1 is reached", "(['sleep', '1000'], {'stdin': <%s>})",
               text);
    assert_other_is_served();
    g_variant_unref(run_shell(greedy, sandbox, "true")); /* has no input */
    kill_sandbox(greedy, sandbox);
    for (guint i = 0; i < pending->len; i++) {
        Pending *run = pending->pdata[i];
        g_autofree char *name = NULL;

        pending_wait(run);
        name = g_dbus_error_get_remote_error(run->error);
        refused += g_str_equal(name, "org.cloche1.Error.QuotaExceeded");
    }
    g_assert_cmpuint(refused, ==, 40 - 32);
}

static void
find_buffers(guint64 *ret_used, guint64 *ret_limit)
{
    g_autoptr(GVariant) answer = call(greedy, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);

    g_assert_true(g_variant_lookup(own, "buffer-size", "(tt)", ret_used, ret_limit));
}

static void
wait_for_buffers(guint64 expected)
{
    guint64 used, limit;

    do
        find_buffers(&used, &limit);
    while (used != expected);
}

/* The arguments of a process are charged until its program has ended. */
static void
test_held_arguments(void)
{
    g_autoptr(GPtrArray) pending = g_ptr_array_new_with_free_func((GDestroyNotify)pending_free);
    g_autofree char *sandbox = create(greedy), *most = g_strnfill(MIB, 'x'), *least = NULL;
    g_autofree char *inside = NULL, *outside = NULL;
    g_autoptr(GVariant) first = NULL, second = NULL;
    guint64 used, limit, left;
    const char *process;

    g_variant_unref(run_shell(greedy, sandbox, "true")); /* polkit is asked */
    for (guint i = 0; i < 31; i++)
        g_ptr_array_add(pending, hold_input(sandbox, most));
    least = g_strnfill(MIB - 50000, 'x');
    g_ptr_array_add(pending, hold_input(sandbox, least));
    find_buffers(&used, &limit);
    left = limit - used;
    g_assert_cmpuint(left, ==, 100000);

    inside = g_strnfill(left - strlen("sh-c") - strlen("exec sleep 1000") - 4 * 32, 'x');
    outside = g_strconcat(inside, "x", NULL);
    call_fails(greedy, sandbox, "Start", "QuotaExceeded", "The limit buffer-size of user 1 is",
               START, outside);
    first = call(greedy, sandbox, "Start", START, inside);
    wait_for_buffers(limit);
    call_fails(greedy, sandbox, "Start", "QuotaExceeded", "The limit buffer-size of user 1 is",
               "(['true'], @a{sv} {})");
    g_variant_get_child(first, 0, "&o", &process);
    g_variant_unref(call(greedy, process, "Kill", "()"));
    wait_for_buffers(used);
    second = call(greedy, sandbox, "Start", "(['true'], @a{sv} {})");
    kill_sandbox(greedy, sandbox);
    wait_for_buffers(0);
}

/* A message with more values, or more bytes, than its method can use. */
static void
test_useless_arguments(void)
{
    g_autofree char *sandbox = create(greedy);
    g_autoptr(GVariantBuilder) argv = g_variant_builder_new(G_VARIANT_TYPE_STRING_ARRAY);
    g_autofree char *text = g_strnfill(20 * MIB, 'x');

    for (guint i = 0; i < 300000; i++)
        g_variant_builder_add(argv, "s", "");
    call_fails(greedy, sandbox, "Run", "InvalidArgument", "the arguments of Run are too large",
               "(%@as, @a{sv} {})", g_variant_builder_end(argv));
    call_fails(greedy, sandbox, "Run", "InvalidArgument", "the arguments of Run are too large",
               "(['cat'], {'stdin': <%s>})", text);
    call_fails(greedy, MANAGER, "GetSandbox", "InvalidArgument", "the arguments of GetSandbox",
               "(%s,)", text);
    /* The same of an object that does not exist: polkit is not asked. */
    call_fails(greedy, "/org/cloche1/sandbox/nosuch", "Run", "InvalidArgument", "too large",
               "(['cat'], {'stdin': <%s>})", text);
    kill_sandbox(greedy, sandbox);
}

/* --- messages that are too large to be read --- */

#define MESSAGE_MAX (2 * MIB + 64 * 1024) /* GATE_MESSAGE_MAX */

/* Calls GetSandbox() with a message of this size, as the service gets it from the bus. Returns the
 * answer, which is an error; NULL: none is expected. */
static GDBusMessage *
call_of_size(gsize size, GDBusMessageFlags flags)
{
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call("org.cloche1", MANAGER, "org.cloche1.Manager", "GetSandbox");
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *blob = NULL;
    g_autofree char *text = NULL;
    GDBusMessage *answer = NULL;
    gsize empty;

    g_dbus_message_set_sender(message, g_dbus_connection_get_unique_name(greedy));
    g_dbus_message_set_body(message, g_variant_new("(s)", ""));
    g_dbus_message_set_serial(message, 1);
    blob = g_dbus_message_to_blob(message, &empty, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
    g_assert_no_error(error);
    text = g_strnfill(size - empty, 'x');
    g_dbus_message_set_sender(message, NULL); /* the bus sets it */
    g_dbus_message_set_body(message, g_variant_new("(s)", text));
    g_dbus_message_set_flags(message, flags);
    if (flags & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)
        g_dbus_connection_send_message(greedy, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                       /* out_serial= */ NULL, &error);
    else
        answer = g_dbus_connection_send_message_with_reply_sync(
            greedy, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, /* timeout_msec= */ 30000,
            /* out_serial= */ NULL, /* cancellable= */ NULL, &error);
    g_assert_no_error(error);
    return answer;
}

static void
assert_refused(gsize size, const char *name, const char *text)
{
    g_autoptr(GDBusMessage) answer = call_of_size(size, G_DBUS_MESSAGE_FLAGS_NONE);

    g_assert_cmpstr(g_dbus_message_get_error_name(answer), ==, name);
    g_assert_nonnull(strstr(g_dbus_message_get_arg0(answer), text));
}

/* A message of the largest size is read, and found to be too large for its method; of a larger one,
 * only the header is read. */
static void
test_large_messages(void)
{
    static const char invalid[] = "org.cloche1.Error.InvalidArgument";
    static const char read[] = "the arguments of GetSandbox are too large: together with";
    static const char not_read[] = "the arguments of GetSandbox are too large: a message may have";
    g_autofree char *text = g_strnfill(4 * MIB, 'x'), *sandbox = NULL;
    g_autoptr(GError) error = NULL;

    assert_refused(MESSAGE_MAX, invalid, read);
    assert_refused(MESSAGE_MAX + 1, invalid, not_read);
    assert_refused(30 * MIB, invalid, not_read);
    assert_refused(1000, "org.cloche1.Error.NoSuchSandbox", "there is no sandbox");
    call_of_size(30 * MIB, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    g_dbus_connection_emit_signal(greedy, "org.cloche1", MANAGER, "org.cloche1.Manager", "Nothing",
                                  g_variant_new("(s)", text), &error);
    g_assert_no_error(error);
    assert_refused(MESSAGE_MAX + 1, invalid, not_read);
    assert_other_is_served();
    sandbox = create(greedy);
    g_variant_unref(call(greedy, sandbox, "Start", "(['true'], @a{sv} {})")); /* with descriptors */
    kill_sandbox(greedy, sandbox);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/greedy-callers/unread-descriptors", test_unread_descriptors);
    g_test_add_func("/greedy-callers/unread-bytes", test_unread_bytes);
    g_test_add_func("/greedy-callers/unread-introspection", test_unread_introspection);
    g_test_add_func("/greedy-callers/reader-is-not-limited", test_reader_is_not_limited);
    g_test_add_func("/greedy-callers/too-many-calls", test_too_many_calls);
    g_test_add_func("/greedy-callers/held-input", test_held_input);
    g_test_add_func("/greedy-callers/held-arguments", test_held_arguments);
    g_test_add_func("/greedy-callers/large-messages", test_large_messages);
    g_test_add_func("/greedy-callers/useless-arguments", test_useless_arguments);
    fixture = fixture_new(&options);
    greedy = fixture_connect(fixture, GREEDY_UID);
    other = fixture_connect(fixture, OTHER_UID);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    status = g_test_run();
    fixture_leave(greedy);
    fixture_leave(other);
    fixture_free(fixture);
    return status;
}
