/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-network-losses: networks when cloche-egress, a worker or the service ends, and when the
 * administrator changes what is permitted.
 */
#include <signal.h>
#include <string.h>

#include "client.h"
#include "network-calls.h"

/* --- losses --- */

/* A service that is killed before remembers nothing. */
static void
wait_for_closed_record(const char *sandbox)
{
    g_autofree char *record = NULL;

    do {
        run_loop_for(10);
        g_free(record);
        record = network_read_record(sandbox);
    } while (!strstr(record, "NetworkClosed="));
}

static void
test_worker_is_lost(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}"),
                    *record = NULL;
    g_autoptr(Listener) listener = listener_new(network_bus);
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "lost %s the guest broke the protocol", id);
    network_wait_for_state(listener, sandbox, "closed");
    network_assert_state(sandbox, "internet", "closed", "the guest broke the protocol");
    g_assert_true(fixture_log_has(network_fixture, "is closed: the guest broke the protocol"));
    network_set(network_bus, sandbox, "{'mode': <'internet'>}");
    network_assert_state(sandbox, "internet", "on", "");
    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 2);
    kill_sandbox(network_bus, sandbox);
}

static void
test_traffic_is_used_up(void)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'internet'>, 'traffic': <uint64 1000>}");
    g_autoptr(Listener) listener = listener_new(network_bus);
    int fd = network_watch(network_bus, sandbox);
    char byte;

    /* cloche-egress has the socket when it has answered this. */
    g_variant_unref(call(network_bus, sandbox, "GetTraffic", "()"));
    egress_command(network_fixture, "exhausted %s", id_of(sandbox));
    network_wait_for_state(listener, sandbox, "closed");
    network_assert_state(sandbox, "internet", "closed",
                         "the traffic that its policy permits is used up");
    g_assert_cmpint(read(fd, &byte, 1), ==, 0); /* the worker goes on */
    close(fd);
    /* What has moved counts for the next policy. */
    network_set(network_bus, sandbox, "{'mode': <'internet'>, 'traffic': <uint64 1000>}");
    network_assert_state(sandbox, "internet", "closed",
                         "the traffic that its policy permits is used up");
    network_set(network_bus, sandbox, "{'mode': <'internet'>, 'traffic': <uint64 1001>}");
    network_assert_state(sandbox, "internet", "on", "");
    kill_sandbox(network_bus, sandbox);
}

/* A handover gives no new traffic. */
static void
test_traffic_is_used_up_during_handover(void)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'internet'>, 'traffic': <uint64 1000>}");
    g_autoptr(Listener) listener = listener_new(network_bus);

    egress_command(network_fixture, "hold");
    fixture_reload(network_fixture);
    egress_wait_for(network_fixture, 2, "set %s 0 internet, internet", id_of(sandbox));
    egress_command(network_fixture, "exhausted %s", id_of(sandbox));
    egress_command(network_fixture, "release");
    network_wait_for_state(listener, sandbox, "closed");
    wait_for_closed_record(sandbox);
    kill_sandbox(network_bus, sandbox);
}

/* The worker has answered, and ends before the change is complete. */
static void
test_worker_is_lost_during_change(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    g_autoptr(Pending) change = NULL;
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "hold");
    change = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'restricted'>},)");
    egress_wait_for(network_fixture, 1, "set %s 0 internet, restricted", id);
    egress_command(network_fixture, "lost %s it crashed", id);
    egress_command(network_fixture, "release");
    pending_wait(change);
    assert_error(change->error, "Failed", "its process ended: it crashed");
    network_assert_state(sandbox, "internet", "closed", "network: its process ended: it crashed");
    wait_for_closed_record(sandbox);
    fixture_restart(network_fixture, SIGKILL); /* it stays closed */
    network_assert_state(sandbox, "internet", "closed", "network: its process ended: it crashed");
    network_set(network_bus, sandbox, "{'mode': <'internet'>}");
    network_assert_state(sandbox, "internet", "on", "");
    kill_sandbox(network_bus, sandbox);
}

/* The network is closed, and not in force with rules of which nobody knows. */
static void
test_handover_fails(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    g_autoptr(Listener) listener = listener_new(network_bus);
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "fail no memory");
    fixture_reload(network_fixture);
    network_wait_for_state(listener, sandbox, "closed");
    network_assert_state(sandbox, "internet", "closed", "network: no memory");
    egress_wait_for(network_fixture, 1, "remove %s", id);
    fixture_reload(network_fixture);
    network_wait_for_state(listener, sandbox, "on");
    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 2);
    kill_sandbox(network_bus, sandbox);
}

/* cloche-egress is killed: its workers die with it, and it gets everything anew. */
static void
test_egress_is_killed(void)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'restricted'>, 'allow': <['a.com']>}");
    g_autofree char *lost = network_create(network_bus, "{'mode': <'internet'>}");
    g_autoptr(Listener) listener = listener_new(network_bus);
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "lost %s why", id_of(lost));
    network_wait_for_state(listener, lost, "closed");
    egress_kill_fake();
    network_wait_for_state(listener, sandbox, "closed");
    network_assert_state(sandbox, "restricted", "closed", "cloche-egress is not running");
    egress_forget_log(network_fixture);
    egress_start_fake(network_fixture);
    network_wait_for_state(listener, sandbox, "on");
    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 1);
    egress_wait_for(network_fixture, 1, "set %s 0 internet, restricted: a.com", id);
    /* What was lost stays closed. */
    network_assert_state(lost, "internet", "closed", "why");
    g_assert_cmpuint(egress_count(network_fixture, "set %s", id_of(lost)), ==, 0);
    kill_sandbox(network_bus, sandbox);
    kill_sandbox(network_bus, lost);
}

/* A call waits for the new connection. */
static void
test_create_while_away(void)
{
    g_autoptr(Pending) creation = NULL;
    const char *sandbox;

    egress_kill_fake();
    creation = call_start(network_bus, MANAGER, "CreateSandbox",
                          "({'network': <{'mode': <'internet'>}>},)");
    run_loop_for(50);
    egress_start_fake(network_fixture);
    pending_wait(creation);
    g_assert_no_error(creation->error);
    g_variant_get(creation->answer, "(&o)", &sandbox);
    kill_sandbox(network_bus, sandbox);
}

/* --- restarts of the service --- */

static void
restart(int signal)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'restricted'>, 'allow': <['a.com']>}");
    g_autofree char *spent = network_create(network_bus, "{'mode': <'internet'>}");
    g_autofree char *off = create(network_bus);
    g_autoptr(Listener) listener = listener_new(network_bus);
    const char *id = id_of(sandbox);

    egress_command(network_fixture, "lost %s why", id_of(spent));
    network_wait_for_state(listener, spent, "closed");
    wait_for_closed_record(spent);
    egress_forget_log(network_fixture);
    fixture_restart(network_fixture, signal);
    /* The worker keeps its connections: it has the port. */
    egress_wait_for(network_fixture, 1, "set %s 0 internet, restricted: a.com", id);
    while (!network_has_state(sandbox, "on"))
        run_loop_for(10);
    g_assert_cmpuint(egress_count(network_fixture, "port"), ==, 0);
    g_assert_cmpuint(egress_count(network_fixture, "remove"), ==, 0);
    network_assert_state(spent, "internet", "closed", "why");
    network_assert_state(off, "off", "off", "");
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 2 * 256);
    kill_sandbox(network_bus, sandbox);
    kill_sandbox(network_bus, spent);
    kill_sandbox(network_bus, off);
}

static void
test_restart(void)
{
    restart(SIGTERM);
}

static void
test_service_is_killed(void)
{
    restart(SIGKILL);
}

/* A pause leaves the worker of a sandbox alone, with its port and its connections. */
static void
test_paused(void)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'restricted'>, 'allow': <['a.com']>}");
    const char *id = id_of(sandbox);

    egress_forget_log(network_fixture);
    g_variant_unref(call(network_bus, sandbox, "Pause", "()"));
    network_assert_state(sandbox, "restricted", "on", "");
    fixture_restart(network_fixture, SIGKILL);
    egress_wait_for(network_fixture, 1, "set %s 0 internet, restricted: a.com", id);
    while (!network_has_state(sandbox, "on"))
        run_loop_for(10);
    call_fails(network_bus, sandbox, "SetNetwork", "Paused", "is paused", NO_OPTIONS);
    g_variant_unref(call(network_bus, sandbox, "Resume", NO_OPTIONS));
    network_assert_state(sandbox, "restricted", "on", "");
    g_assert_cmpuint(egress_count(network_fixture, "port"), ==, 0);
    g_assert_cmpuint(egress_count(network_fixture, "remove"), ==, 0);
    kill_sandbox(network_bus, sandbox);
}

/* Its sandbox ended while the service did not run. */
static void
test_strange_worker(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    g_autofree char *id = g_strdup(id_of(sandbox));

    fixture_end(network_fixture, SIGKILL);
    fixture_edit_record(network_fixture, id, "Deadline", "1");
    fixture_start(network_fixture);
    egress_wait_for(network_fixture, 1, "remove %s", id);
}

/* Both were restarted. */
static void
test_all_are_killed(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    const char *id = id_of(sandbox);

    fixture_end(network_fixture, SIGKILL);
    egress_kill_fake();
    egress_forget_log(network_fixture);
    fixture_start(network_fixture);
    egress_start_fake(network_fixture);
    egress_wait_for(network_fixture, 1, "set %s 0 internet, internet", id);
    g_assert_cmpuint(egress_count(network_fixture, "port %s", id), ==, 1);
    while (!network_has_state(sandbox, "on"))
        run_loop_for(10);
    kill_sandbox(network_bus, sandbox);
}

/* A sandbox whose policy this version does not accept goes on, without a network. */
static void
test_invalid_record(void)
{
    g_autofree char *sandbox =
        network_create(network_bus, "{'mode': <'restricted'>, 'allow': <['a.com']>}");
    g_autofree char *path =
        g_build_filename(network_fixture->state, "sandboxes", id_of(sandbox), NULL);
    g_autofree char *record = network_read_record(sandbox);
    g_auto(GStrv) parts = g_strsplit(record, "Allow=a.com", 2);
    g_autofree char *changed = g_strjoinv("Allow=a..com", parts);

    fixture_end(network_fixture, SIGKILL);
    g_assert_true(g_file_set_contents(path, changed, -1, NULL));
    fixture_start(network_fixture);
    egress_wait_for(network_fixture, 1, "remove %s", id_of(sandbox));
    {
        g_autoptr(GVariant) network = network_get(network_bus, sandbox);
        g_autofree char *reason = dict_string(network, "reason");

        g_assert_nonnull(strstr(reason, "a..com"));
    }
    network_set(network_bus, sandbox, "{'mode': <'internet'>}");
    network_assert_state(sandbox, "internet", "on", "");
    kill_sandbox(network_bus, sandbox);
}

/* --- the administrator --- */

static void
test_ceiling(void)
{
    g_autofree char *sandbox = network_create(network_bus, "{'mode': <'internet'>}");
    const char *id = id_of(sandbox);

    fixture_configure(network_fixture,
                      "[Network]\nMode=restricted\nAllow=a.com b.com\nConnections=5\n");
    fixture_reload(network_fixture);
    egress_wait_for(network_fixture, 1, "set %s 0 restricted, internet", id);
    network_set(network_bus, sandbox, "{'mode': <'internet'>}");
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 5);
    fixture_configure(network_fixture, "[Network]\nMode=off\n");
    fixture_reload(network_fixture);
    egress_wait_for(network_fixture, 1, "set %s 0 off, internet", id);
    call_fails(network_bus, MANAGER, "CreateSandbox", "NotPermitted", "the administrator",
               "({'network': <{'mode': <'internet'>}>},)");
    fixture_configure(network_fixture, "[UserLimits]\nConnections=300\n[Network]\nMode=internet\n");
    fixture_reload(network_fixture);
    network_set(network_bus, sandbox, "{'mode': <'internet'>}");
    call_fails(network_bus, MANAGER, "CreateSandbox", "QuotaExceeded",
               "The limit connections of user 0", "({'network': <{'mode': <'internet'>}>},)");
    fixture_configure(network_fixture, "[UserLimits]\nTrafficMiB=10\n");
    fixture_reload(network_fixture);
    call_fails(network_bus, MANAGER, "CreateSandbox", "QuotaExceeded", "needs the option traffic",
               "({'network': <{'mode': <'internet'>}>},)");
    call_fails(network_bus, MANAGER, "CreateSandbox", "QuotaExceeded", "The limit traffic-mib",
               "({'network': <{'mode': <'internet'>, 'traffic': <uint64 10485761>}>},)");
    fixture_configure(network_fixture, "");
    fixture_reload(network_fixture);
    kill_sandbox(network_bus, sandbox);
}

/* A change is charged with what its policy needed when it began. */
static void
test_limits_change_meanwhile(void)
{
    g_autofree char *sandbox = NULL;
    g_autoptr(Pending) change = NULL;

    fixture_configure(network_fixture, "[Network]\nConnections=5\n");
    fixture_reload(network_fixture);
    sandbox = create(network_bus);
    egress_command(network_fixture, "hold");
    change = call_start(network_bus, sandbox, "SetNetwork", "({'mode': <'internet'>},)");
    egress_wait_for(network_fixture, 1, "set %s 0 internet, internet", id_of(sandbox));
    fixture_configure(network_fixture, "");
    fixture_reload(network_fixture);
    egress_command(network_fixture, "release");
    pending_wait(change);
    g_assert_no_error(change->error);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 5);
    network_set(network_bus, sandbox, "{'mode': <'internet'>}");
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 256);
    kill_sandbox(network_bus, sandbox);
    g_assert_cmpuint(network_connections_in_use(network_bus), ==, 0);
}

int
main(int argc, char **argv)
{
    static const NetworkTest tests[] = {
        {"/network-losses/worker-is-lost", test_worker_is_lost},
        {"/network-losses/traffic-is-used-up", test_traffic_is_used_up},
        {"/network-losses/traffic-is-used-up-during-handover",
         test_traffic_is_used_up_during_handover},
        {"/network-losses/worker-is-lost-during-change", test_worker_is_lost_during_change},
        {"/network-losses/handover-fails", test_handover_fails},
        {"/network-losses/egress-is-killed", test_egress_is_killed},
        {"/network-losses/create-while-away", test_create_while_away},
        {"/network-losses/restart", test_restart},
        {"/network-losses/service-is-killed", test_service_is_killed},
        {"/network-losses/paused", test_paused},
        {"/network-losses/strange-worker", test_strange_worker},
        {"/network-losses/all-are-killed", test_all_are_killed},
        {"/network-losses/invalid-record", test_invalid_record},
        {"/network-losses/ceiling", test_ceiling},
        {"/network-losses/limits-change-meanwhile", test_limits_change_meanwhile},
        {NULL, NULL},
    };

    g_test_init(&argc, &argv, NULL);
    return network_run_tests(tests);
}
