/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-server-ends: what ends a connection to cloche-vm's server, and what is left of its requests.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lingering.h"
#include "server-fixture.h"

/* --- what ends the connection --- */

static void
await_end(Fixture *fixture)
{
    while (!fixture->is_over)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
}

static void
test_short_packet(Fixture *fixture, gconstpointer data)
{
    VmRequest request = request_of(VM_REQUEST_DESTROY, 6, "cloche-a");

    send_bytes(fixture, &request, sizeof request - 1, NULL, 0);
    await_end(fixture);
}

static void
test_long_packet(Fixture *fixture, gconstpointer data)
{
    g_autofree char *bytes = g_malloc0(2 * sizeof(VmRequest));
    VmRequest request = request_of(VM_REQUEST_DESTROY, 6, "cloche-a");

    memcpy(bytes, &request, sizeof request);
    send_bytes(fixture, bytes, 2 * sizeof request, NULL, 0);
    await_end(fixture);
}

static void
test_many_descriptors(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000);
    const int fds[] = {0, 1, 2, 0, 1, 2, 0, 1};

    send_bytes(fixture, &request, sizeof request, fds, G_N_ELEMENTS(fds));
    await_end(fixture);
    g_assert_cmpuint(fixture->vm.starts, ==, 0);
}

static void
test_two_descriptors(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000);
    const int fds[] = {0, 1};

    send_bytes(fixture, &request, sizeof request, fds, G_N_ELEMENTS(fds));
    await_end(fixture);
}

/* No descriptor of the attacker blocks the server when it closes it. */
static void
test_slow_descriptors(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000);
    int peers[2], fds[] = {lingering_open(&peers[0]), lingering_open(&peers[1])};
    gint64 begin = g_get_monotonic_time();

    send_bytes(fixture, &request, sizeof request, fds, 1);
    close(fds[0]);
    expect(fixture, 6, VM_ANSWER_FAILED, "wrong access mode");
    fds[0] = 0;
    send_bytes(fixture, &request, sizeof request, fds, 2);
    close(fds[1]);
    await_end(fixture);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 10 * G_USEC_PER_SEC);
    close(peers[0]);
    close(peers[1]);
}

static void
test_missing_descriptor(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000);

    send_plain(fixture, &request);
    await_end(fixture);
}

/* Nobody knows of a machine that arrives after the end of its connection. */
static void
test_end_during_start(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000);

    fixture->vm.holds_starts = TRUE;
    send_with_file(fixture, &request, O_RDONLY);
    while (!fixture->vm.held_start)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    shutdown(fixture->fd, SHUT_RDWR);
    await_end(fixture);
    g_task_return_boolean(fixture->vm.held_start, TRUE);
    g_clear_object(&fixture->vm.held_start);
    while (fixture->vm.destroyed == 0)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_assert_cmpuint(fixture->vm.lives, ==, 0);
}

/* The machines that the connection held are those of the next one, with their files. */
static void
test_end_during_sweep(Fixture *fixture, gconstpointer data)
{
    VmRequest request = request_of(VM_REQUEST_SWEEP, 6, "cloche-");
    g_autofree char *socket = path_of(fixture, "own/agent/cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    fixture->vm.holds_sweeps = TRUE;
    send_plain(fixture, &request);
    while (!fixture->vm.held_sweep)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    connect_anew(fixture);
    g_task_return_int(fixture->vm.held_sweep, 0);
    g_clear_object(&fixture->vm.held_sweep);
    recall(fixture);
    g_assert_true(g_file_test(socket, G_FILE_TEST_EXISTS));
}

/* cloched leaves its machines when it ends, and may not wait for its sweep. */
static void
test_leave_during_sweep(Fixture *fixture, gconstpointer data)
{
    VmRequest request = request_of(VM_REQUEST_SWEEP, 6, "cloche-");
    VmRequest leave = request_of(VM_REQUEST_LEAVE, 7, "cloche-a");
    g_autofree char *socket = path_of(fixture, "own/agent/cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    fixture->vm.holds_sweeps = TRUE;
    send_plain(fixture, &request);
    send_plain(fixture, &leave);
    recall(fixture);
    g_task_return_int(fixture->vm.held_sweep, 0);
    g_clear_object(&fixture->vm.held_sweep);
    expect(fixture, 6, VM_ANSWER_DONE, NULL);
    g_assert_true(g_file_test(socket, G_FILE_TEST_EXISTS));
    fixture->vm.holds_sweeps = FALSE;
    request.serial = 8; /* this one finds that nobody holds it */
    send_plain(fixture, &request);
    expect(fixture, 8, VM_ANSWER_DONE, NULL);
    g_assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
}

static void
test_cancel(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000), busy, cancel;

    fixture->vm.holds_starts = TRUE;
    send_with_file(fixture, &request, O_RDONLY);
    busy = request_of(VM_REQUEST_DESTROY, 7, "cloche-a"); /* waits */
    send_plain(fixture, &busy);
    vm_request_init(&cancel, VM_REQUEST_CANCEL, 8);
    cancel.target = 6;
    send_plain(fixture, &cancel);
    cancel.target = 99; /* there is none */
    send_plain(fixture, &cancel);
    while (!fixture->vm.held_start || g_main_context_pending(NULL))
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_task_return_new_error(fixture->vm.held_start, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
    g_clear_object(&fixture->vm.held_start);
    expect(fixture, 6, VM_ANSWER_CANCELLED, "cancelled");
    expect(fixture, 7, VM_ANSWER_DONE, NULL);
}

#define ADD(name, function)                                                                        \
    g_test_add("/vmd/server-ends/" name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
    ADD("short-packet", test_short_packet);
    ADD("long-packet", test_long_packet);
    ADD("many-descriptors", test_many_descriptors);
    ADD("two-descriptors", test_two_descriptors);
    ADD("slow-descriptors", test_slow_descriptors);
    ADD("missing-descriptor", test_missing_descriptor);
    ADD("end-during-start", test_end_during_start);
    ADD("end-during-sweep", test_end_during_sweep);
    ADD("leave-during-sweep", test_leave_during_sweep);
    ADD("cancel", test_cancel);
    return g_test_run();
}
