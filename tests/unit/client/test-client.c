/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-client: ids are checked, and errors are mapped to names and exit statuses. */
#include "client.h"

#include "exit-status.h"

static void
test_sandbox_id(void)
{
    g_assert_true(client_is_sandbox_id("abcdefghij234567"));
    g_assert_false(client_is_sandbox_id("abcdefghij23456"));
    g_assert_false(client_is_sandbox_id("abcdefghij2345677"));
    g_assert_false(client_is_sandbox_id("abcdefghij234561"));
    g_assert_false(client_is_sandbox_id("Abcdefghij234567"));
    g_assert_false(client_is_sandbox_id(""));
    g_assert_cmpstr(client_sandbox_id("/org/cloche1/sandbox/abc"), ==, "abc");
    g_assert_cmpstr(client_sandbox_id("abc"), ==, "abc");
}

static void
assert_name(GQuark domain, int code, const char *name)
{
    const GError error = {.domain = domain, .code = code, .message = (char *)""};

    g_assert_cmpstr(client_error_name(&error), ==, name);
}

static void
test_error_name(void)
{
    assert_name(CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SANDBOX, "NoSuchSandbox");
    assert_name(CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "Failed");
    assert_name(G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN, "ServiceNotRunning");
    assert_name(G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER, "ServiceNotRunning");
    assert_name(G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY, "ServiceLost");
    assert_name(G_IO_ERROR, G_IO_ERROR_CLOSED, "ServiceLost");
    assert_name(G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "AccessDenied");
    assert_name(G_IO_ERROR, G_IO_ERROR_CANCELLED, "Interrupted");
    assert_name(G_FILE_ERROR, G_FILE_ERROR_NOENT, "FileError");
    assert_name(G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "Usage");
    assert_name(G_IO_ERROR, G_IO_ERROR_FAILED, "Failed");
}

static void
test_error_of_a_call(void)
{
    g_autoptr(GError) error = NULL;

    client_register_errors();
    error = g_dbus_error_new_for_dbus_error("org.cloche1.Error.Busy", "try again");
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    client_tidy_error(error);
    g_assert_cmpstr(error->message, ==, "try again");
}

static void
test_exit_status(void)
{
    g_assert_cmpint(exit_status_from("exited", 3), ==, 3);
    g_assert_cmpint(exit_status_from("signaled", 15), ==, 143);
    g_assert_cmpint(exit_status_from("out-of-memory", 9), ==, 137);
    g_assert_cmpint(exit_status_from("timed-out", 9), ==, 124);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client/sandbox-id", test_sandbox_id);
    g_test_add_func("/client/error-name", test_error_name);
    g_test_add_func("/client/error-of-a-call", test_error_of_a_call);
    g_test_add_func("/client/exit-status", test_exit_status);
    return g_test_run();
}
