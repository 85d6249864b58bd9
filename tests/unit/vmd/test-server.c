/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-server: cloche-vm's server, asked by a cloched that an attacker has taken over.
 *
 * The machines are mocks. The attacker speaks the protocol by hand.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "lingering.h"
#include "mock-vm.h"
#include "util.h"
#include "vmd-server.h"

/* --- the attacker --- */

typedef struct {
    char *folder;
    VmdConfig config;
    MockVm vm;
    VmdServer *server;
    int fd;           /* the attacker's end */
    gboolean is_over; /* the server has ended the connection */
} Fixture;

static void
on_end(gpointer data)
{
    ((Fixture *)data)->is_over = TRUE;
}

static char *
path_of(const Fixture *fixture, const char *path)
{
    return g_build_filename(fixture->folder, path, NULL);
}

static void
write_file(const Fixture *fixture, const char *path)
{
    g_autofree char *full = path_of(fixture, path), *parent = g_path_get_dirname(full);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0755), ==, 0);
    g_assert_true(g_file_set_contents(full, "x", 1, /* error= */ NULL));
}

static VmFactsAnswer
receive(Fixture *fixture, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    VmFactsAnswer packet, answer;
    struct iovec part = {.iov_base = &packet, .iov_len = sizeof packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights;
    gssize size;

    while ((size = recvmsg(fixture->fd, &message, MSG_DONTWAIT)) < 0)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    rights = CMSG_FIRSTHDR(&message);
    *ret_fd = -1;
    if (rights)
        memcpy(ret_fd, CMSG_DATA(rights), sizeof *ret_fd);
    g_assert_true(vm_answer_unpack(&packet, (gsize)size, rights ? 1 : 0, &answer));
    return answer;
}

static void
send_bytes(const Fixture *fixture, const void *bytes, gsize size, const int *fds, gsize n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 8)];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
    }
    g_assert_cmpint(sendmsg(fixture->fd, &message, MSG_NOSIGNAL), ==, size);
}

static void
expect(Fixture *fixture, guint32 serial, VmAnswerType type, const char *text)
{
    int fd;
    VmFactsAnswer answer = receive(fixture, &fd);

    g_assert_cmpint(answer.head.type, ==, type);
    g_assert_cmpuint(answer.head.serial, ==, serial);
    if (text && !strstr(answer.head.text, text))
        g_error("'%s' is not in: %s", text, answer.head.text);
    g_assert_cmpint(fd >= 0, ==, type == VM_ANSWER_MACHINE || type == VM_ANSWER_NET);
    if (fd >= 0)
        close(fd);
}

static void
connect_anew(Fixture *fixture)
{
    int fds[2];

    if (fixture->fd >= 0)
        close(fixture->fd);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    fixture->fd = fds[0];
    vmd_server_accept(fixture->server, fds[1]);
    expect(fixture, 0, VM_ANSWER_READY, "");
}

static VmRequest
request_of(VmRequestType type, guint32 serial, const char *name)
{
    VmRequest request;

    vm_request_init(&request, type, serial);
    g_assert_true(vm_field_set(request.name, VM_NAME_SIZE, name));
    return request;
}

static VmRequest
restore_of(guint32 serial, const char *name, uid_t uid)
{
    VmRequest request = request_of(VM_REQUEST_RESTORE, serial, name);

    g_assert_true(vm_field_set(request.image, VM_KEY_SIZE, "python-1"));
    g_assert_true(vm_field_set(request.version_key, VM_KEY_SIZE, "python-2"));
    request.uid = uid;
    request.vcpus = 1;
    request.memory_mib = 64;
    return request;
}

static void
send_plain(const Fixture *fixture, const VmRequest *request)
{
    send_bytes(fixture, request, sizeof *request, NULL, 0);
}

static void
send_with_file(const Fixture *fixture, const VmRequest *request, int mode)
{
    g_autofree char *path = path_of(fixture, "state/file");
    int fd = open(path, mode | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    send_bytes(fixture, request, sizeof *request, &fd, 1);
    close(fd);
}

static void
restore(Fixture *fixture, guint32 serial, const char *name, uid_t uid)
{
    VmRequest request = restore_of(serial, name, uid);

    send_with_file(fixture, &request, O_RDONLY);
    expect(fixture, serial, VM_ANSWER_MACHINE, NULL);
}

static void
recall(Fixture *fixture)
{
    VmRequest request;

    vm_request_init(&request, VM_REQUEST_RECALL, 1000);
    request.is_emulated = 1;
    send_plain(fixture, &request);
    expect(fixture, 1000, VM_ANSWER_FACTS, NULL);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    static const char *const files[] = {"state/images/python-1/kernel",
                                        "state/images/python-1/initrd",
                                        "state/machines/a/disk.qcow2",
                                        "state/machines/b/disk.qcow2",
                                        "ram/python-2",
                                        "own/agent/cloche-a",
                                        "own/console/cloche-a",
                                        "state/file"};

    fixture->folder = g_dir_make_tmp("cloche-server-XXXXXX", /* error= */ NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        write_file(fixture, files[i]);
    fixture->config = (VmdConfig){
        .state = path_of(fixture, "state"),
        .ram = path_of(fixture, "ram"),
        .own = path_of(fixture, "own"),
        .uid_first = 2000,
        .uid_count = 16,
        .vcpus_max = 4,
        .memory_max_mib = 1024,
        .may_emulate = TRUE,
        .peer = geteuid(),
    };
    fixture->vm.base.ops = &mock_vm_ops;
    fixture->fd = -1;
    fixture->server = vmd_server_new(&fixture->config, &fixture->vm.base, on_end, fixture);
    connect_anew(fixture);
    recall(fixture);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    while (g_main_context_iteration(NULL, /* may_block= */ FALSE))
        ;
    vmd_server_free(fixture->server);
    g_assert_cmpuint(fixture->vm.lives, ==, 0); /* all were left or destroyed */
    close(fixture->fd);
    g_free(fixture->vm.last_disk);
    g_free(fixture->vm.last_socket);
    g_free(fixture->vm.last_net_socket);
    g_free(fixture->config.state);
    g_free(fixture->config.ram);
    g_free(fixture->config.own);
    g_assert_true(util_remove_tree(fixture->folder, /* error= */ NULL));
    g_free(fixture->folder);
}

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
    g_test_add("/vmd/server/" name, Fixture, NULL, set_up, function, tear_down)

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
    ADD("save", test_save);
    ADD("same-uid", test_same_uid);
    ADD("same-uid-as-left", test_same_uid_as_left);
    ADD("same-name", test_same_name);
    ADD("other-form", test_other_form);
    ADD("state-of-others", test_state_of_others);
    ADD("no-emulation", test_no_emulation);
    ADD("unknown-machine", test_unknown_machine);
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
