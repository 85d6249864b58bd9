/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-network: the network of a sandbox, from the call to cloche-egress.
 *
 * A fake takes the place of cloche-egress, so these tests show what it is asked for and when, and
 * what becomes of its answers.
 */
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "network-calls.h"
#include "polkit.h"

/* --- creation and end --- */

static void
test_create(void)
{
    g_autofree char *sandbox = network_create(
        network_bus, "{'mode': <'restricted'>, 'allow': <['Example.com:443', '*.debian.org']>}");
    g_autoptr(GVariant) network = network_get(network_bus, sandbox);
    const char *id = id_of(sandbox);
    g_auto(GStrv) allow = NULL;

    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 1);
    g_assert_cmpuint(egress_count(network_fixture,
                                  "set %s 0 internet, restricted: Example.com:443 "
                                  "*.debian.org",
                                  id),
                     ==, 1);
    network_assert_state(sandbox, "restricted", "on", "");
    g_variant_lookup(network, "allow", "^as", &allow);
    g_assert_cmpstr(allow[0], ==, "Example.com:443");
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 256);
    kill_sandbox(network_bus, sandbox);
    egress_wait_for(network_fixture, 1, "remove %s", id);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 0);
}

/* Nothing is asked of cloche-egress. */
static void
test_without(void)
{
    g_autofree char *sandbox = create(network_bus);
    g_autofree char *off = network_create(network_bus, "{'mode': <'off'>}");

    network_assert_state(sandbox, "off", "off", "");
    network_assert_state(off, "off", "off", "");
    kill_sandbox(network_bus, sandbox);
    kill_sandbox(network_bus, off);
    g_assert_cmpuint(egress_count(network_fixture, "port"), ==, 0);
    g_assert_cmpuint(egress_count(network_fixture, "set"), ==, 0);
    g_assert_cmpuint(egress_count(network_fixture, "remove"), ==, 0);
}

/* A creation fails with its network, and leaves nothing. */
static void
test_create_fails(void)
{
    egress_command(network_fixture, "fail no room for a worker");
    call_fails(network_bus, MANAGER, "CreateSandbox", "Failed", "network: no room for a worker",
               "({'network': <{'mode': <'internet'>}>},)");
    fixture_wait_for_records(network_fixture, 0);
    while (egress_count(network_fixture, "remove") == 0)
        run_loop_for(10);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 0);
}

static void
test_run_code(void)
{
    g_autoptr(GVariant) answer = call(network_bus, MANAGER, "RunCode",
                                      "('bash', 'echo hello', {'network': <{'mode': <'internet'>}>,"
                                      " 'template': <'interpreter'>})");

    g_assert_cmpuint(egress_count(network_fixture, "set"), ==, 1);
    while (egress_count(network_fixture, "remove") == 0)
        run_loop_for(10);
}

/* --- options --- */

static void
refuse(const char *network, const char *message)
{
    g_autofree char *words = g_strdup_printf("({'network': <%s>},)", network);

    call_fails(network_bus, MANAGER, "CreateSandbox", "InvalidArgument", message, words);
}

static void
test_options(void)
{
    refuse("{'mode': <'on'>}", "network: mode: it must be 'off', 'restricted' or 'internet'");
    refuse("{'allow': <['a.com']>}", "network: mode: it is missing");
    refuse("{'mode': <'off'>, 'allow': <['a.com']>}", "network: mode: it is 'off'");
    refuse("{'mode': <'internet'>, 'speed': <uint64 1>}", "network: unknown option 'speed'");
    refuse("{'mode': <'internet'>, 'bandwidth': <'x'>}", "option 'bandwidth' must be of the type");
    refuse("{'mode': <'restricted'>, 'allow': <['a..com']>}", "a..com");
    refuse("{'mode': <'internet'>, 'connections': <uint32 257>}", "more than 256");
    refuse("{'mode': <'internet'>, 'secrets': <[{'host': <'a.com'>, 'header': <'X'>}]>}",
           "network: secrets: the header 'X' of host 'a.com' has no value");
    refuse("{'mode': <'internet'>, 'secrets': <[{'host': <'a.com'>, 'header': <'Host'>}]>}",
           "'Host' is not a header");
    refuse("{'mode': <'internet'>, 'secrets': <[{'hosts': <'a.com'>}]>}",
           "secrets: unknown option 'hosts'");
    refuse("{'mode': <'internet'>, 'secrets': <[{'host': <'a.com'>, 'header': <'X'>, "
           "'value': <handle 7>}]>}",
           "value: the descriptor did not come with the call");
    g_assert_cmpuint(egress_count(network_fixture, "port"), ==, 0);
}

static void
refuse_value(int fd, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = network_call_with_value(
        network_bus, MANAGER, "CreateSandbox",
        "({'network': <{'mode': <'internet'>, 'secrets': <[{'host': <'a.com'>, "
        "'header': <'X'>, 'value': <handle 0>}]>}>},)",
        fd, &error);

    g_assert_null(answer);
    assert_error(error, "InvalidArgument", message);
}

/* A file that could make a reader wait is refused. */
static void
test_values(void)
{
    g_autofree char *long_value = g_strnfill(8193, 'x');
    int pipe_ends[2];

    g_assert_cmpint(pipe(pipe_ends), ==, 0);
    refuse_value(pipe_ends[0], "not one of memfd_create(2)");
    close(pipe_ends[1]);
    refuse_value(network_value(""), "1 to 8192 bytes, not 0");
    refuse_value(network_value(long_value), "1 to 8192 bytes, not 8193");
}

/* --- SetNetwork --- */

static void
test_set_network(void)
{
    g_autofree char *sandbox = create(network_bus);
    g_autoptr(Listener) listener = listener_new(network_bus);
    const char *id = id_of(sandbox);

    network_set(network_bus, sandbox, "{'mode': <'internet'>, 'connections': <uint32 10>}");
    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 1);
    egress_wait_for(network_fixture, 1, "set %s 0 internet, internet", id);
    network_wait_for_state(listener, sandbox, "on");
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 10);

    /* The worker has the port already. */
    network_set(network_bus, sandbox, "{'mode': <'restricted'>, 'allow': <['a.com']>}");
    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 1);
    egress_wait_for(network_fixture, 1, "set %s 0 internet, restricted: a.com", id);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 256);

    network_set(network_bus, sandbox, "@a{sv} {}");
    egress_wait_for(network_fixture, 1, "remove %s", id);
    network_assert_state(sandbox, "off", "off", "");
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 0);
    kill_sandbox(network_bus, sandbox);
}

/* The earlier policy is in force, and its record says so. */
static void
test_set_fails(void)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'restricted'>, 'allow': <['a.com']>}");
    g_autofree char *record = NULL;

    egress_command(network_fixture, "fail out of memory");
    call_fails(network_bus, sandbox, "SetNetwork", "Failed", "network: out of memory",
               "({'mode': <'internet'>},)");
    network_assert_state(sandbox, "restricted", "on", "");
    network_set(network_bus, sandbox, "{'mode': <'restricted'>, 'allow': <['b.com']>}");
    record = network_read_record(sandbox);
    g_assert_nonnull(strstr(record, "Allow=b.com;"));
    g_assert_null(strstr(record, "Mode=internet"));
    kill_sandbox(network_bus, sandbox);
}

/* An earlier version of cloche has started its machine. */
static void
test_no_port(void)
{
    g_autofree char *sandbox = create(network_bus);
    g_autofree char *path =
        g_build_filename(network_fixture->run, "machines", id_of(sandbox), "agent.net", NULL);

    g_assert_cmpint(unlink(path), ==, 0);
    call_fails(network_bus, sandbox, "SetNetwork", "Unsupported",
               "network: ", "({'mode': <'internet'>},)");
    network_assert_state(sandbox, "off", "off", "");
    g_assert_cmpuint(egress_count(network_fixture, "set"), ==, 0);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 0);
    kill_sandbox(network_bus, sandbox);
}

/* Of changes that wait, the last one wins, and the callers of all get its result. */
static void
test_changes_wait(void)
{
    g_autofree char *sandbox = create(network_bus);
    g_autoptr(Pending) first = NULL, second = NULL, third = NULL;
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "hold");
    first = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'restricted'>},)");
    egress_wait_for(network_fixture, 1, "set %s 0 internet, restricted", id);
    second = call_start(network_bus, sandbox, "SetNetwork",
                        "({'mode': <'restricted'>, 'allow': <['a.com']>},)");
    third = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'internet'>},)");
    call(network_bus, sandbox, "GetTraffic", "()"); /* all have arrived */
    egress_command(network_fixture, "release");
    pending_wait(first);
    pending_wait(second);
    pending_wait(third);
    g_assert_no_error(first->error);
    g_assert_no_error(second->error);
    g_assert_no_error(third->error);
    g_assert_cmpuint(egress_count(network_fixture, "set %s", id), ==, 2);
    network_assert_state(sandbox, "internet", "on", "");
    kill_sandbox(network_bus, sandbox);
}

/* The end of the sandbox is the end of what is under way. */
static void
test_end_during_change(void)
{
    g_autofree char *sandbox = create(network_bus);
    g_autoptr(Pending) change = NULL;
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "hold");
    change = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'internet'>},)");
    egress_wait_for(network_fixture, 1, "set %s 0 internet, internet", id);
    kill_sandbox(network_bus, sandbox);
    egress_command(network_fixture, "release");
    pending_wait(change);
    assert_error(change->error, "NoSuchSandbox", "ended");
    g_assert_cmpuint(egress_count(network_fixture, "remove %s", id), >=, 1);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 0);
}

/* "off" is in force when the worker has ended, so the caller has no answer before. */
static void
test_off_waits(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    g_autoptr(Pending) off = NULL, on = NULL;
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "hold");
    off = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'off'>},)");
    egress_wait_for(network_fixture, 1, "remove %s", id);
    on = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'restricted'>},)");
    call(network_bus, sandbox, "GetTraffic", "()"); /* all have arrived */
    g_assert_false(off->done);
    g_assert_cmpuint(egress_count(network_fixture, "set %s", id), ==, 1);
    egress_command(network_fixture, "release");
    pending_wait(off);
    pending_wait(on);
    g_assert_no_error(off->error);
    g_assert_no_error(on->error);
    network_assert_state(sandbox, "restricted", "on", "");
    kill_sandbox(network_bus, sandbox);
}

/* --- secrets --- */

static GVariant *
create_with_secret(GError **error)
{
    return network_call_with_value(
        network_bus, MANAGER, "CreateSandbox",
        "({'network': <{'mode': <'internet'>, 'secrets': <[{'host': <'a.com'>, "
        "'header': <'Authorization'>, 'format': <'Bearer %s'>, "
        "'value': <handle 0>}]>}>},)",
        network_value(NETWORK_SECRET), error);
}

/* The value goes to cloche-egress and nowhere else. */
static void
test_secret(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = create_with_secret(&error);
    g_autoptr(GVariant) network = NULL;
    g_autofree char *sandbox = NULL, *shown = NULL, *record = NULL, *environment = NULL;

    g_assert_no_error(error);
    g_variant_get(answer, "(o)", &sandbox);
    egress_wait_for(network_fixture, 1, "secret %s 0 " NETWORK_SECRET, id_of(sandbox));
    network = network_get(network_bus, sandbox);
    shown = g_variant_print(network, FALSE);
    g_assert_nonnull(strstr(shown, "Authorization"));
    g_assert_nonnull(strstr(shown, "Bearer %s"));
    g_assert_null(strstr(shown, NETWORK_SECRET));
    record = network_read_record(sandbox);
    g_assert_nonnull(strstr(record, "Header=Authorization"));
    g_assert_null(strstr(record, NETWORK_SECRET));
    environment = run_output(network_bus, sandbox, "echo $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS");
    g_assert_cmpstr(environment, ==,
                    "/etc/ssl/certs/ca-certificates.crt "
                    "/etc/ssl/certs/ca-certificates.crt\n");

    /* Without a file, it keeps its value. */
    network_set(network_bus, sandbox,
                "{'mode': <'internet'>, 'secrets': <[{'host': <'a.com'>, "
                "'header': <'Authorization'>, 'paths': <['/v1/']>}]>}");
    g_assert_cmpuint(egress_count(network_fixture, "secret %s", id_of(sandbox)), ==, 1);
    call_fails(network_bus, sandbox, "SetNetwork", "InvalidArgument", "has no value",
               "({'mode': <'internet'>, 'secrets': <[{'host': <'b.com'>, "
               "'header': <'Authorization'>}]>},)");
    kill_sandbox(network_bus, sandbox);
}

/* --- what it does --- */

static void
test_traffic(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}"),
                    *without = create(network_bus);
    g_autoptr(GVariant) figures = call(network_bus, sandbox, "GetTraffic", "()");
    g_autoptr(GVariant) nothing = call(network_bus, without, "GetTraffic", "()");
    g_autofree char *text = g_variant_print(figures, FALSE);
    g_autofree char *zero = g_variant_print(nothing, FALSE);

    g_assert_cmpstr(text, ==,
                    "({'bytes-up': 10, 'bytes-down': 20, 'connections': 3, 'refused': 0, "
                    "'failed': 0, 'open': 0, 'lookups': 0, 'requests': 0},)");
    g_assert_cmpstr(zero, ==,
                    "({'bytes-up': 0, 'bytes-down': 0, 'connections': 0, 'refused': 0, "
                    "'failed': 0, 'open': 0, 'lookups': 0, 'requests': 0},)");
    kill_sandbox(network_bus, sandbox);
    kill_sandbox(network_bus, without);
}

static guint64
processes_in_use(void)
{
    g_autoptr(GVariant) answer = call(network_bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);
    guint64 used, limit;

    g_assert_true(g_variant_lookup(own, "processes", "(tt)", &used, &limit));
    return used;
}

static void
test_watch(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}"),
                    *off = create(network_bus);
    int fd = network_watch(network_bus, sandbox);
    char line[64] = "";

    g_assert_cmpuint(processes_in_use(), ==, 1);
    /* cloche-egress has the socket when it has answered this. */
    g_variant_unref(call(network_bus, sandbox, "GetTraffic", "()"));
    egress_command(network_fixture, "write %s {\"host\":\"a.com\"}", id_of(sandbox));
    g_assert_cmpint(read(fd, line, sizeof line - 1), >, 0);
    g_assert_cmpstr(line, ==, "{\"host\":\"a.com\"}\n");
    g_assert_cmpint(send(fd, "x", 1, MSG_NOSIGNAL), <, 0); /* nothing reaches the worker */
    close(fd);
    while (processes_in_use() > 0)
        run_loop_for(10);

    fd = network_watch(network_bus, sandbox); /* ends with the network */
    network_set(network_bus, sandbox, "{'mode': <'off'>}");
    g_assert_cmpint(read(fd, line, sizeof line), ==, 0);
    g_assert_cmpuint(processes_in_use(), ==, 0);
    close(fd);
    call_fails(network_bus, off, "WatchConnections", "Unsupported",
               "the network of the sandbox is off", NO_OPTIONS);
    kill_sandbox(network_bus, sandbox);
    kill_sandbox(network_bus, off);
}

static void
test_watches_are_few(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    int fds[8];

    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = network_watch(network_bus, sandbox);
    call_fails(network_bus, sandbox, "WatchConnections", "QuotaExceeded", "8 streams", NO_OPTIONS);
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    kill_sandbox(network_bus, sandbox);
    g_assert_cmpuint(processes_in_use(), ==, 0);
}

/* --- polkit --- */

static char *
detail_of(PolkitQuestion *question, const char *key)
{
    char *value = NULL;

    g_variant_lookup(question->details, key, "s", &value);
    return value;
}

static void
assert_detail(PolkitQuestion *question, const char *key, const char *expected)
{
    g_autofree char *value = detail_of(question, key);

    g_assert_cmpstr(value, ==, expected);
}

static void
test_polkit(void)
{
    GDBusConnection *other = fixture_connect(network_fixture, OTHER_UID);
    g_autofree char *sandbox = NULL;
    g_autoptr(PolkitQuestion) create_question = NULL, network_question = NULL, use = NULL,
                              set_question = NULL;

    polkit_forget_questions(network_fixture);
    sandbox = network_create(other, "{'mode': <'restricted'>, 'allow': <['a.com', 'b.com:22']>}");
    create_question = polkit_take_question(network_fixture);
    g_assert_cmpstr(create_question->action, ==, "org.cloche1.create");
    assert_detail(create_question, "network", "restricted");
    network_question = polkit_take_question(network_fixture);
    g_assert_cmpstr(network_question->action, ==, "org.cloche1.network");
    assert_detail(network_question, "mode", "restricted");
    assert_detail(network_question, "private", "false");
    assert_detail(network_question, "targets", "a.com b.com:22");
    assert_detail(network_question, "owner", G_STRINGIFY(OTHER_UID));
    assert_detail(network_question, "sandbox", NULL);
    g_assert_cmpuint(polkit_count_questions(network_fixture), ==, 0);

    network_set(other, sandbox, "{'mode': <'internet'>}");
    use = polkit_take_question(network_fixture);
    g_assert_cmpstr(use->action, ==, "org.cloche1.use");
    set_question = polkit_take_question(network_fixture);
    assert_detail(set_question, "mode", "internet");
    assert_detail(set_question, "sandbox", id_of(sandbox));
    network_set(other, sandbox, "{'mode': <'off'>}"); /* nothing to permit */
    g_assert_cmpuint(polkit_count_questions(network_fixture), ==, 0);
    kill_sandbox(other, sandbox);
    fixture_leave(other);
}

/* By default, private addresses need an administrator. */
static void
test_private(void)
{
    GDBusConnection *other = fixture_connect(network_fixture, OTHER_UID);
    g_autofree char *sandbox = create(other), *permitted = NULL;

    call_fails(other, MANAGER, "CreateSandbox", "NotPermitted", "org.cloche1.network-private",
               "({'network': <{'mode': <'restricted'>, 'allow': <['10.0.0.0/8']>, "
               "'private': <true>}>},)");
    call_fails(other, sandbox, "SetNetwork", "NotPermitted", "org.cloche1.network-private",
               "({'mode': <'restricted'>, 'allow': <['10.0.0.0/8']>, 'private': <true>},)");
    g_assert_cmpuint(egress_count(network_fixture, "set"), ==, 0);
    polkit_set_answer(network_fixture, "org.cloche1.network-private", "yes");
    permitted = network_create(
        other, "{'mode': <'restricted'>, 'allow': <['10.0.0.0/8']>, 'private': <true>}");
    polkit_set_answer(network_fixture, "org.cloche1.network-private", "");
    kill_sandbox(other, sandbox);
    kill_sandbox(other, permitted);
    fixture_leave(other);
}

static void
test_network_is_refused(void)
{
    GDBusConnection *other = fixture_connect(network_fixture, OTHER_UID);

    polkit_set_answer(network_fixture, "org.cloche1.network", "no");
    call_fails(other, MANAGER, "CreateSandbox", "NotPermitted", "org.cloche1.network",
               "({'network': <{'mode': <'internet'>}>},)");
    polkit_set_answer(network_fixture, "org.cloche1.network", "");
    g_assert_cmpuint(egress_count(network_fixture, "set"), ==, 0);
    fixture_leave(other);
}

/* The sandbox of another user is one that does not exist. */
static void
test_other_user(void)
{
    GDBusConnection *other = fixture_connect(network_fixture, OTHER_UID);
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    g_autoptr(PolkitQuestion) others = NULL, question = NULL;

    call_fails(other, sandbox, "SetNetwork", "NoSuchSandbox", "", NO_OPTIONS);
    call_fails(other, sandbox, "GetTraffic", "NoSuchSandbox", "", "()");
    call_fails(other, sandbox, "WatchConnections", "NoSuchSandbox", "", NO_OPTIONS);
    polkit_set_answer(network_fixture, "org.cloche1.manage-others", "yes");
    polkit_forget_questions(network_fixture);
    network_set(other, sandbox, "{'mode': <'restricted'>}");
    others = polkit_take_question(network_fixture);
    g_assert_cmpstr(others->action, ==, "org.cloche1.manage-others");
    question = polkit_take_question(network_fixture);
    assert_detail(question, "owner", "0");
    polkit_set_answer(network_fixture, "org.cloche1.manage-others", "");
    kill_sandbox(network_bus, sandbox);
    fixture_leave(other);
}

/* --- idempotency --- */

static void
test_idempotency(void)
{
    g_autoptr(GVariant) first = call(network_bus, MANAGER, "CreateSandbox",
                                     "({'idempotency-key': <'k'>, 'network': <{'mode': "
                                     "<'internet'>}>},)");
    g_autoptr(GVariant) again = call(network_bus, MANAGER, "CreateSandbox",
                                     "({'idempotency-key': <'k'>, 'network': <{'mode': "
                                     "<'internet'>}>},)");
    const char *sandbox;

    g_assert_true(g_variant_equal(first, again));
    call_fails(network_bus, MANAGER, "CreateSandbox", "InvalidArgument",
               "was used with other options",
               "({'idempotency-key': <'k'>, 'network': <{'mode': <'restricted'>}>},)");
    call_fails(network_bus, MANAGER, "CreateSandbox", "InvalidArgument",
               "was used with other options", "({'idempotency-key': <'k'>},)");
    g_variant_get(first, "(&o)", &sandbox);
    kill_sandbox(network_bus, sandbox);
}

/* Nothing of any test's secret is in a file of the service. Files may disappear meanwhile. */
static void
test_no_secret_is_stored(void)
{
    g_autofree char *command = g_strdup_printf(
        "grep -rls --exclude=egress.log -e '" NETWORK_SECRET "' '%s'", network_fixture->dir);
    g_autofree char *found = NULL;

    g_assert_true(g_spawn_command_line_sync(command, &found, NULL, NULL, NULL));
    g_assert_cmpstr(found, ==, "");
}

int
main(int argc, char **argv)
{
    static const NetworkTest tests[] = {
        {"/network/create", test_create},
        {"/network/without", test_without},
        {"/network/create-fails", test_create_fails},
        {"/network/run-code", test_run_code},
        {"/network/options", test_options},
        {"/network/values", test_values},
        {"/network/set-network", test_set_network},
        {"/network/set-fails", test_set_fails},
        {"/network/no-port", test_no_port},
        {"/network/changes-wait", test_changes_wait},
        {"/network/end-during-change", test_end_during_change},
        {"/network/off-waits", test_off_waits},
        {"/network/secret", test_secret},
        {"/network/traffic", test_traffic},
        {"/network/watch", test_watch},
        {"/network/watches-are-few", test_watches_are_few},
        {"/network/polkit", test_polkit},
        {"/network/private", test_private},
        {"/network/network-is-refused", test_network_is_refused},
        {"/network/other-user", test_other_user},
        {"/network/idempotency", test_idempotency},
        {"/network/no-secret-is-stored", test_no_secret_is_stored},
        {NULL, NULL},
    };

    g_test_init(&argc, &argv, NULL);
    return network_run_tests(tests);
}
