/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-egress: sandboxes whose network is made by the real cloche-egress.
 *
 * cloche-egress runs as systemd would start it, so it outlives the service. No connection leaves
 * this host: guests ask for what their policy refuses, and for names that do not exist.
 */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

static Fixture *fixture;
static GDBusConnection *bus;
static GSubprocess *egress;
static int listening = -1; /* it survives cloche-egress, as the socket of a unit does */

/* --- cloche-egress --- */

static void
on_child(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
listen_for_service(void)
{
    g_autofree char *path = g_build_filename(fixture->control, "egress", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(listening, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(listening, 8), ==, 0);
}

static void
start_egress(void)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autofree char *run = g_build_filename(fixture->dir, "egress-run", NULL);
    g_autoptr(GError) error = NULL;

    g_mkdir_with_parents(run, 0700);
    g_subprocess_launcher_set_child_setup(launcher, on_child, NULL, NULL);
    g_subprocess_launcher_setenv(launcher, "LISTEN_FDS", "1", TRUE);
    g_subprocess_launcher_setenv(launcher, "RUNTIME_DIRECTORY", run, TRUE);
    g_subprocess_launcher_take_fd(launcher, dup(listening), 3);
    egress = g_subprocess_launcher_spawn(launcher, &error, "sh", "-c", "LISTEN_PID=$$ exec \"$0\"",
                                         g_getenv("CLOCHE_EGRESS"), NULL);
    g_assert_no_error(error);
}

static void
kill_egress(void)
{
    g_subprocess_force_exit(egress);
    g_subprocess_wait(egress, NULL, NULL);
    g_clear_object(&egress);
}

/* A process below `parent` whose command line or name contains this text. */
static pid_t
find_child(pid_t parent, const char *name)
{
    g_autofree char *command =
        g_strdup_printf("for p in /proc/[0-9]*; do grep -qs '^PPid:\t%d$' $p/status && "
                        "grep -qs '%s' $p/comm $p/cmdline && basename $p; done; true",
                        (int)parent, name);
    const char *argv[] = {"sh", "-c", command, NULL};
    g_autofree char *out = NULL;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                               NULL, NULL, NULL));
    return (pid_t)g_ascii_strtoll(out, NULL, 10);
}

/* --- helpers --- */

static char *
create_with(const char *network)
{
    g_autofree char *words = g_strdup_printf("({'network': <%s>},)", network);
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", words);
    char *sandbox;

    g_variant_get(answer, "(o)", &sandbox);
    return sandbox;
}

static char *
state_of(const char *sandbox)
{
    g_autoptr(GVariant) network = get_property(bus, sandbox, "Network");

    return dict_string(network, "state");
}

static char *
reason_of(const char *sandbox)
{
    g_autoptr(GVariant) network = get_property(bus, sandbox, "Network");

    return dict_string(network, "reason");
}

static void
wait_for_state(const char *sandbox, const char *wanted)
{
    gint64 end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    for (;;) {
        g_autofree char *state = state_of(sandbox);

        if (g_str_equal(state, wanted))
            return;
        if (g_get_monotonic_time() > end_us)
            g_error("the network is %s, not %s: %s", state, wanted, reason_of(sandbox));
        run_loop_for(20);
    }
}

static guint64
figure(const char *sandbox, const char *name)
{
    g_autoptr(GVariant) answer = call(bus, sandbox, "GetTraffic", "()");
    g_autoptr(GVariant) figures = g_variant_get_child_value(answer, 0);
    guint64 number = G_MAXUINT64;

    g_assert_true(g_variant_lookup(figures, name, "t", &number));
    return number;
}

/* A program in the guest connects, and reads until the connection ends. */
static void
try_address(const char *sandbox, const char *address)
{
    g_autofree char *words =
        g_strdup_printf("exec 3<>/dev/tcp/%s/80 && timeout 10 cat <&3; true", address);

    g_variant_unref(call(bus, sandbox, "Run", "(['bash', '-c', %s], @a{sv} {})", words));
}

/* The network is in force when the service has answered, so the first attempt is refused. */
static void
expect_refused(const char *sandbox, guint64 wanted)
{
    try_address(sandbox, "203.0.113.7");
    g_assert_cmpuint(figure(sandbox, "refused"), ==, wanted);
}

/* --- tests --- */

static void
test_refused(void)
{
    g_autofree char *sandbox = create_with("{'mode': <'restricted'>, 'allow': <['a.invalid']>}");

    wait_for_state(sandbox, "on");
    expect_refused(sandbox, 1);
    g_assert_cmpuint(figure(sandbox, "connections"), ==, 0);
    kill_sandbox(bus, sandbox);
}

/* The streams of what happens are the owner's. */
static void
test_watch(void)
{
    g_autofree char *sandbox = create_with("{'mode': <'restricted'>}");
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        bus, "org.cloche1", sandbox, "org.cloche1.Sandbox", "WatchConnections",
        g_variant_new_parsed(NO_OPTIONS), NULL, G_DBUS_CALL_FLAGS_NONE, 30000, NULL, &fds, NULL,
        &error);
    struct pollfd wait = {.events = POLLIN};
    char line[4096] = "";
    int fd;

    g_assert_no_error(error);
    fd = g_unix_fd_list_get(fds, 0, NULL);
    figure(sandbox, "refused"); /* the worker has the socket when it has answered this */
    expect_refused(sandbox, 1);
    wait.fd = fd;
    g_assert_cmpint(poll(&wait, 1, 30000), ==, 1);
    g_assert_cmpint(read(fd, line, sizeof line - 1), >, 0);
    g_assert_nonnull(strstr(line, "203.0.113.7"));
    close(fd);
    kill_sandbox(bus, sandbox);
}

/* The guest is closed while nobody serves it, and open again afterwards. */
static void
test_set_network(void)
{
    g_autofree char *sandbox = create(bus);

    g_variant_unref(call(bus, sandbox, "SetNetwork", "({'mode': <'restricted'>},)"));
    expect_refused(sandbox, 1);
    g_variant_unref(call(bus, sandbox, "SetNetwork", "({'mode': <'off'>},)"));
    try_address(sandbox, "203.0.113.7");
    g_variant_unref(call(bus, sandbox, "SetNetwork", "({'mode': <'restricted'>},)"));
    g_assert_cmpuint(figure(sandbox, "refused"), ==, 0); /* of a new worker */
    expect_refused(sandbox, 1);
    kill_sandbox(bus, sandbox);
}

static GVariant *
create_with_secret(GError **error)
{
    int fd = memfd_create("value", MFD_CLOEXEC);
    g_autoptr(GUnixFDList) fds = NULL;

    g_assert_cmpint(write(fd, "s3cr3t", 6), ==, 6);
    fds = g_unix_fd_list_new_from_array(&fd, 1);
    return g_dbus_connection_call_with_unix_fd_list_sync(
        bus, "org.cloche1", MANAGER, "org.cloche1.Manager", "CreateSandbox",
        g_variant_new_parsed("({'network': <{'mode': <'internet'>, 'secrets': <[{'host': "
                             "<'a.invalid'>, 'header': <'X-Key'>, 'value': <handle 0>}]>}>},)"),
        NULL, G_DBUS_CALL_FLAGS_NONE, 30000, fds, NULL, NULL, error);
}

/* The value survives cloche-egress, and the guest takes the new authority. A fake machine keeps the
 * certificates of its host, so they cannot be read there. */
static void
test_secret(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = create_with_secret(&error);
    g_autofree char *sandbox = NULL;

    g_assert_no_error(error);
    g_variant_get(answer, "(o)", &sandbox);
    kill_egress();
    wait_for_state(sandbox, "closed");
    start_egress();
    wait_for_state(sandbox, "on");
    kill_sandbox(bus, sandbox);
}

static void
test_egress_is_killed(void)
{
    g_autofree char *sandbox = create_with("{'mode': <'restricted'>}");

    kill_egress();
    wait_for_state(sandbox, "closed");
    try_address(sandbox, "203.0.113.7"); /* nobody is there to refuse it */
    start_egress();
    wait_for_state(sandbox, "on");
    expect_refused(sandbox, 1);
    kill_sandbox(bus, sandbox);
}

static void
test_service_is_killed(void)
{
    g_autofree char *sandbox = create_with("{'mode': <'restricted'>}");

    expect_refused(sandbox, 1);
    fixture_restart(fixture, SIGKILL);
    wait_for_state(sandbox, "on");
    g_assert_cmpuint(figure(sandbox, "refused"), ==, 1); /* of the same worker */
    expect_refused(sandbox, 2);
    kill_sandbox(bus, sandbox);
}

static void
test_all_are_killed(void)
{
    g_autofree char *sandbox = create_with("{'mode': <'restricted'>}");

    fixture_end(fixture, SIGKILL);
    kill_egress();
    fixture_start(fixture);
    start_egress();
    wait_for_state(sandbox, "on");
    expect_refused(sandbox, 1);
    kill_sandbox(bus, sandbox);
}

/* The worker of a sandbox is a child of the process that makes them. */
static void
test_worker_is_killed(void)
{
    g_autofree char *sandbox = create_with("{'mode': <'restricted'>}");
    pid_t master = (pid_t)g_ascii_strtoll(g_subprocess_get_identifier(egress), NULL, 10);
    pid_t spawner = find_child(master, "egress"), worker = find_child(spawner, "egress");

    g_assert_cmpint(worker, >, 1);
    kill(worker, SIGKILL);
    wait_for_state(sandbox, "closed");
    g_variant_unref(call(bus, sandbox, "SetNetwork", "({'mode': <'restricted'>},)"));
    wait_for_state(sandbox, "on");
    expect_refused(sandbox, 1);
    kill_sandbox(bus, sandbox);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.has_egress = TRUE};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/egress/refused", test_refused);
    g_test_add_func("/egress/watch", test_watch);
    g_test_add_func("/egress/set-network", test_set_network);
    g_test_add_func("/egress/secret", test_secret);
    g_test_add_func("/egress/egress-is-killed", test_egress_is_killed);
    g_test_add_func("/egress/service-is-killed", test_service_is_killed);
    g_test_add_func("/egress/all-are-killed", test_all_are_killed);
    g_test_add_func("/egress/worker-is-killed", test_worker_is_killed);
    fixture = fixture_new(&options);
    bus = fixture->bus;
    listen_for_service();
    start_egress();
    status = g_test_run();
    fixture_free(fixture);
    kill_egress();
    close(listening);
    return status;
}
