/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-server-requests: what cloche-vm's server does, and refuses, for a cloched that an attacker
 * has taken over. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "server-fixture.h"

/* --- what it gets --- */

static void
test_restore(Fixture *fixture, gconstpointer data)
{
    VmRequest request = request_of(VM_REQUEST_DESTROY, 6, "cloche-a");
    g_autofree char *disk = path_of(fixture, "state/machines/a/disk.qcow2");
    g_autofree char *socket = path_of(fixture, "own/agent/cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    g_assert_cmpstr(fixture->vm.last_disk, ==, disk);
    g_assert_cmpstr(fixture->vm.last_socket, ==, socket);
    send_plain(fixture, &request);
    expect(fixture, 6, VM_ANSWER_DONE, NULL);
    g_assert_cmpuint(fixture->vm.destroyed, ==, 1);
    g_assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
}

/* QEMU's end of the port. */
static int
listen_at(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static void
test_open_net(Fixture *fixture, gconstpointer data)
{
    VmRequest open_net = request_of(VM_REQUEST_OPEN_NET, 6, "cloche-a");
    VmRequest destroy = request_of(VM_REQUEST_DESTROY, 7, "cloche-a");
    g_autofree char *path = path_of(fixture, "own/net/cloche-a");
    int listening = listen_at(path), fd, qemu;
    char byte;

    send_plain(fixture, &open_net);
    expect(fixture, 6, VM_ANSWER_FAILED, "it is not held");
    restore(fixture, 5, "cloche-a", 2000);
    g_assert_cmpstr(fixture->vm.last_net_socket, ==, path);
    send_plain(fixture, &open_net);
    g_assert_cmpint(receive(fixture, &fd).head.type, ==, VM_ANSWER_NET);
    qemu = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(write(qemu, "x", 1), ==, 1);
    g_assert_cmpint(read(fd, &byte, 1), ==, 1);
    close(fd);
    close(qemu);
    close(listening);
    send_plain(fixture, &open_net);
    expect(fixture, 6, VM_ANSWER_FAILED, "Connection refused");
    send_plain(fixture, &destroy);
    expect(fixture, 7, VM_ANSWER_DONE, NULL);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* An earlier version of cloche-vm has started it. */
static void
test_no_net(Fixture *fixture, gconstpointer data)
{
    VmRequest open_net = request_of(VM_REQUEST_OPEN_NET, 6, "cloche-a");
    VmFactsAnswer answer;
    int fd;

    restore(fixture, 5, "cloche-a", 2000);
    send_plain(fixture, &open_net);
    answer = receive(fixture, &fd);
    g_assert_cmpint(answer.head.type, ==, VM_ANSWER_FAILED);
    g_assert_cmpint(answer.head.number, ==, CLOCHE_ERROR_UNSUPPORTED);
}

static void
test_events(Fixture *fixture, gconstpointer data)
{
    restore(fixture, 5, "cloche-a", 2000);
    fixture->vm.events->stalled(fixture->vm.last, TRUE, fixture->vm.events_data);
    expect(fixture, 0, VM_ANSWER_STALLED, NULL);
    fixture->vm.events->ended(fixture->vm.last, MACHINE_PANICKED, fixture->vm.events_data);
    expect(fixture, 0, VM_ANSWER_ENDED, NULL);
}

/* Requests are carried out in turn, so the answer to the next one tells that it happened. */
static void
test_hold(Fixture *fixture, gconstpointer data)
{
    VmRequest hold = request_of(VM_REQUEST_STAND_STILL, 6, "cloche-a");
    VmRequest go_on = request_of(VM_REQUEST_GO_ON, 7, "cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    send_plain(fixture, &hold);
    recall(fixture);
    g_assert_true(fixture->vm.holds);
    send_plain(fixture, &go_on);
    recall(fixture);
    g_assert_false(fixture->vm.holds);
}

/* The machine of an earlier connection is adopted as it shall be. */
static void
test_adopt_held(Fixture *fixture, gconstpointer data)
{
    VmRequest adopt = request_of(VM_REQUEST_ADOPT, 6, "cloche-a");

    adopt.is_held = 1;
    send_plain(fixture, &adopt);
    expect(fixture, 6, VM_ANSWER_MACHINE, NULL);
    g_assert_true(fixture->vm.holds);
}

static void
test_save(Fixture *fixture, gconstpointer data)
{
    VmRequest request = request_of(VM_REQUEST_SAVE, 6, "cloche-a");

    restore(fixture, 5, "cloche-a", 2000);
    send_with_file(fixture, &request, O_RDONLY);
    expect(fixture, 6, VM_ANSWER_FAILED, "access mode");
    send_with_file(fixture, &request, O_WRONLY);
    expect(fixture, 6, VM_ANSWER_DONE, NULL);
}

/* --- what it does not get --- */

static void
refuse_start(Fixture *fixture, const VmRequest *request, const char *text)
{
    guint starts = fixture->vm.starts;

    send_with_file(fixture, request, O_RDONLY);
    expect(fixture, request->serial, VM_ANSWER_FAILED, text);
    g_assert_cmpuint(fixture->vm.starts, ==, starts);
}

static void
test_same_uid(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-b", 2000);

    restore(fixture, 5, "cloche-a", 2000);
    refuse_start(fixture, &request, "another machine runs as its user");
    request.uid = 2001;
    send_with_file(fixture, &request, O_RDONLY);
    expect(fixture, 6, VM_ANSWER_MACHINE, NULL);
}

/* Neither the end of a connection nor that of cloche-vm frees the uid of a machine that runs. */
static void
test_same_uid_as_left(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-b", 2000);

    restore(fixture, 5, "cloche-a", 2000);
    connect_anew(fixture);
    refuse_start(fixture, &request, "another machine runs as its user");
    request.uid = 2002;
    refuse_start(fixture, &request, "another machine runs as its user");
}

static void
test_same_name(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2001);

    restore(fixture, 5, "cloche-a", 2000);
    refuse_start(fixture, &request, "it exists already");
}

static void
test_other_form(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 0);

    refuse_start(fixture, &request, "Uids");
    request.uid = 2000;
    request.vcpus = 5;
    refuse_start(fixture, &request, "VCpus");
    request.vcpus = 1;
    request.memory_mib = 2048;
    refuse_start(fixture, &request, "MemoryMiB");
    request.memory_mib = 64;
    g_assert_true(vm_field_set(request.image, VM_KEY_SIZE, "other"));
    refuse_start(fixture, &request, "No such file");
}

static void
test_state_of_others(Fixture *fixture, gconstpointer data)
{
    VmRequest request = restore_of(6, "cloche-a", 2000);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    send_bytes(fixture, &request, sizeof request, &null, 1);
    expect(fixture, 6, VM_ANSWER_FAILED, "is not a regular file");
    close(null);
    if (geteuid() == 0) {
        int passwords = open("/etc/shadow", O_RDONLY | O_CLOEXEC);

        fixture->config.peer = 12345; /* cloched has a user of its own */
        send_bytes(fixture, &request, sizeof request, &passwords, 1);
        expect(fixture, 6, VM_ANSWER_FAILED, "is a file of the uid");
        close(passwords);
    }
    g_assert_cmpuint(fixture->vm.starts, ==, 0);
}

static void
test_no_emulation(Fixture *fixture, gconstpointer data)
{
    VmRequest request;

    fixture->config.may_emulate = FALSE;
    vm_request_init(&request, VM_REQUEST_RECALL, 6);
    request.is_emulated = 1;
    send_plain(fixture, &request);
    expect(fixture, 6, VM_ANSWER_FAILED, "AllowEmulation");
}

static void
test_unknown_machine(Fixture *fixture, gconstpointer data)
{
    VmRequest save = request_of(VM_REQUEST_SAVE, 6, "cloche-a");
    VmRequest leave = request_of(VM_REQUEST_LEAVE, 7, "cloche-a");
    VmRequest destroy = request_of(VM_REQUEST_DESTROY, 8, "cloche-a");

    send_with_file(fixture, &save, O_WRONLY);
    expect(fixture, 6, VM_ANSWER_FAILED, "it is not held");
    send_plain(fixture, &leave);
    send_plain(fixture, &destroy);
    expect(fixture, 8, VM_ANSWER_DONE, NULL);
    g_assert_cmpuint(fixture->vm.swept, ==, 1);
}

#define ADD(name, function)                                                                        \
    g_test_add("/vmd/server-requests/" name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
    ADD("restore", test_restore);
    ADD("open-net", test_open_net);
    ADD("no-net", test_no_net);
    ADD("events", test_events);
    ADD("hold", test_hold);
    ADD("adopt-held", test_adopt_held);
    ADD("save", test_save);
    ADD("same-uid", test_same_uid);
    ADD("same-uid-as-left", test_same_uid_as_left);
    ADD("same-name", test_same_name);
    ADD("other-form", test_other_form);
    ADD("state-of-others", test_state_of_others);
    ADD("no-emulation", test_no_emulation);
    ADD("unknown-machine", test_unknown_machine);
    return g_test_run();
}
