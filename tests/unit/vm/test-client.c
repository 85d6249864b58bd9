/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-client: what a client asks for again when it has lost cloche-vm. */
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "util.h"
#include "vm-ops.h"
#include "vm-protocol.h"

#define ADOPTIONS 40u

typedef struct {
    char *folder, *path;
    int listening, fd; /* cloche-vm's ends */
    Vm *vm;
    guint done;     /* calls that have finished */
    guint expected; /* calls that finish */
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    VmAccess access = {0};

    fixture->folder = g_dir_make_tmp("cloche-client-XXXXXX", /* error= */ NULL);
    fixture->path = g_build_filename(fixture->folder, "socket", NULL);
    g_strlcpy(address.sun_path, fixture->path, sizeof address.sun_path);
    fixture->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fixture->listening, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fixture->listening, 8), ==, 0);
    access.socket = fixture->path;
    fixture->vm = vm_open(&access, /* error= */ NULL);
    fixture->fd = -1;
}

static gboolean
on_timer(gpointer data)
{
    return G_SOURCE_CONTINUE; /* the loop goes on */
}

/* One round of the main loop; does not wait for ever. */
static void
iterate(void)
{
    guint timer = g_timeout_add(10, on_timer, /* data= */ NULL);

    g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_source_remove(timer);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    vm_stop_trying(fixture->vm);
    close(fixture->fd);
    close(fixture->listening);
    while (fixture->done < fixture->expected)
        iterate();
    vm_close(fixture->vm);
    g_assert_true(util_remove_tree(fixture->folder, /* error= */ NULL));
    g_free(fixture->folder);
    g_free(fixture->path);
}

/* The client connects, and is told that cloche-vm is ready. */
static void
accept_client(Fixture *fixture)
{
    VmAnswer ready;

    if (fixture->fd >= 0)
        close(fixture->fd);
    g_unix_set_fd_nonblocking(fixture->listening, TRUE, /* error= */ NULL);
    while ((fixture->fd = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC)) < 0)
        iterate();
    vm_answer_init(&ready, VM_ANSWER_READY, /* serial= */ 0);
    g_assert_cmpint(send(fixture->fd, &ready, vm_answer_size(ready.type), MSG_NOSIGNAL), >, 0);
}

static VmRequest
receive(const Fixture *fixture)
{
    VmRequest request;

    while (recv(fixture->fd, &request, sizeof request, MSG_DONTWAIT) < 0)
        iterate();
    return request;
}

static void
on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    ++*(guint *)data;
}

static void
expect_all(const Fixture *fixture)
{
    for (guint i = 0; i < ADOPTIONS; i++) {
        g_autofree char *name = g_strdup_printf("cloche-%u", i);
        VmRequest request = receive(fixture);

        g_assert_cmpint(request.type, ==, VM_REQUEST_ADOPT);
        g_assert_cmpstr(request.name, ==, name);
    }
    g_assert_cmpint(receive(fixture).type, ==, VM_REQUEST_SWEEP);
}

/* A sweep destroys machines that were not adopted before it. */
static void
test_order(Fixture *fixture, gconstpointer data)
{
    static const MachineEvents no_events;

    fixture->expected = ADOPTIONS + 1;
    accept_client(fixture);
    for (guint i = 0; i < ADOPTIONS; i++) {
        g_autofree char *name = g_strdup_printf("cloche-%u", i);
        const MachineSpec spec = {.name = name};

        vm_adopt_async(fixture->vm, &spec, &no_events, NULL, on_done, &fixture->done);
    }
    vm_sweep_async(fixture->vm, "cloche-", on_done, &fixture->done);
    expect_all(fixture);
    accept_client(fixture);
    expect_all(fixture);
    g_assert_cmpuint(fixture->done, ==, 0);
}

/* --- the port for connections --- */

static void
answer_with(const Fixture *fixture, VmAnswerType type, guint32 serial, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    VmAnswer answer;
    struct iovec part = {.iov_base = &answer, .iov_len = sizeof answer};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    vm_answer_init(&answer, type, serial);
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    g_assert_cmpint(sendmsg(fixture->fd, &message, MSG_NOSIGNAL), ==, sizeof answer);
}

static void
on_adopted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    Machine **machine = data;
    int fd;

    *machine = vm_adopt_finish((*machine)->vm, result, &fd, &error);
    g_assert_no_error(error);
    close(fd);
}

static Machine *
adopt_one(Fixture *fixture, gboolean is_held)
{
    static const MachineEvents no_events;
    const MachineSpec spec = {.name = "cloche-a", .is_held = is_held};
    VmRequest request;
    Machine none = {fixture->vm}, *machine = &none;
    int fds[2];

    accept_client(fixture);
    vm_adopt_async(fixture->vm, &spec, &no_events, NULL, on_adopted, &machine);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    request = receive(fixture);
    g_assert_cmpint(request.type, ==, VM_REQUEST_ADOPT);
    g_assert_cmpint(request.is_held, ==, is_held);
    answer_with(fixture, VM_ANSWER_MACHINE, request.serial, fds[0]);
    close(fds[0]);
    close(fds[1]);
    while (machine == &none)
        iterate();
    return machine;
}

typedef struct {
    Vm *vm;
    int fd;
    GError *error;
    gboolean is_done;
} Opening;

static void
on_net_open(GObject *source, GAsyncResult *result, gpointer data)
{
    Opening *opening = data;

    opening->fd = machine_open_net_finish(opening->vm, result, &opening->error);
    opening->is_done = TRUE;
}

static void
test_open_net(Fixture *fixture, gconstpointer data)
{
    Machine *machine = adopt_one(fixture, /* is_held= */ FALSE);
    Opening opening = {.vm = fixture->vm};
    VmRequest request;
    char byte;
    int fds[2];

    machine_open_net_async(machine, on_net_open, &opening);
    request = receive(fixture);
    g_assert_cmpint(request.type, ==, VM_REQUEST_OPEN_NET);
    g_assert_cmpstr(request.name, ==, "cloche-a");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    answer_with(fixture, VM_ANSWER_NET, request.serial, fds[0]);
    close(fds[0]);
    while (!opening.is_done)
        iterate();
    g_assert_no_error(opening.error);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_cmpint(read(opening.fd, &byte, 1), ==, 1);
    close(opening.fd);
    close(fds[1]);
    machine_leave(machine);
}

/* Its caller tries again when there is a connection. */
static void
test_lost_while_opening(Fixture *fixture, gconstpointer data)
{
    Machine *machine = adopt_one(fixture, /* is_held= */ FALSE);
    Opening opening = {.vm = fixture->vm};

    machine_open_net_async(machine, on_net_open, &opening);
    receive(fixture);
    close(fixture->fd);
    fixture->fd = -1;
    while (!opening.is_done)
        iterate();
    g_assert_error(opening.error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_assert_cmpint(opening.fd, ==, -1);
    g_clear_error(&opening.error);
    machine_leave(machine);
}

/* A new instance of cloche-vm is told whether the machine is held, when it adopts it and later. */
static void
test_held(Fixture *fixture, gconstpointer data)
{
    Machine *machine = adopt_one(fixture, /* is_held= */ TRUE);
    VmRequest request;

    accept_client(fixture);
    request = receive(fixture);
    g_assert_cmpint(request.type, ==, VM_REQUEST_REJOIN);
    g_assert_cmpint(request.is_held, ==, 1);
    machine_hold(machine, FALSE);
    accept_client(fixture);
    request = receive(fixture);
    g_assert_cmpint(request.type, ==, VM_REQUEST_REJOIN);
    g_assert_cmpint(request.is_held, ==, 0);
    machine_leave(machine);
}

/* --- captures --- */

typedef struct {
    Machine *machine;
    GError *error;
    gboolean is_done, succeeded;
} Outcome;

static void
on_captured(GObject *source, GAsyncResult *result, gpointer data)
{
    Outcome *outcome = data;

    outcome->succeeded = machine_capture_finish(outcome->machine, result, &outcome->error);
    outcome->is_done = TRUE;
}

static void
on_released(GObject *source, GAsyncResult *result, gpointer data)
{
    Outcome *outcome = data;

    outcome->succeeded = machine_release_finish(outcome->machine, result, &outcome->error);
    outcome->is_done = TRUE;
}

/* Receives a request with a file, and writes to it. */
static VmRequest
receive_with_file(const Fixture *fixture)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    VmRequest request;
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    int fd;

    while (recvmsg(fixture->fd, &message, MSG_DONTWAIT) < 0)
        iterate();
    g_assert_nonnull(CMSG_FIRSTHDR(&message));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    g_assert_cmpint(write(fd, "capture", 7), ==, 7);
    close(fd);
    return request;
}

static void
answer_done(const Fixture *fixture, const VmRequest *request)
{
    VmAnswer answer;

    vm_answer_init(&answer, VM_ANSWER_DONE, request->serial);
    g_assert_cmpint(send(fixture->fd, &answer, sizeof answer, MSG_NOSIGNAL), ==, sizeof answer);
}

static void
answer_failed(const Fixture *fixture, const VmRequest *request, GError *error)
{
    VmAnswer answer;

    vm_answer_init(&answer, VM_ANSWER_FAILED, request->serial);
    vm_answer_set_error(&answer, error);
    g_error_free(error);
    g_assert_cmpint(send(fixture->fd, &answer, sizeof answer, MSG_NOSIGNAL), ==, sizeof answer);
}

static void
await(const Outcome *outcome)
{
    while (!outcome->is_done)
        iterate();
}

static void
test_capture(Fixture *fixture, gconstpointer data)
{
    Machine *machine = adopt_one(fixture, /* is_held= */ FALSE);
    Outcome captured = {machine}, released = {machine}, late = {machine};
    g_autofree char *path = g_build_filename(fixture->folder, "capture", NULL), *content = NULL;
    int fd = g_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    VmRequest request;

    machine_capture_async(machine, fd, on_captured, &captured);
    request = receive_with_file(fixture);
    g_assert_cmpint(request.type, ==, VM_REQUEST_CAPTURE);
    g_assert_cmpstr(request.name, ==, "cloche-a");
    answer_done(fixture, &request);
    await(&captured);
    g_assert_no_error(captured.error);
    g_assert_true(captured.succeeded);
    close(fd);
    g_assert_true(g_file_get_contents(path, &content, /* length= */ NULL, /* error= */ NULL));
    g_assert_cmpstr(content, ==, "capture");

    machine_release_async(machine, on_released, &released);
    request = receive(fixture);
    g_assert_cmpint(request.type, ==, VM_REQUEST_RELEASE);
    g_assert_cmpstr(request.name, ==, "cloche-a");
    answer_done(fixture, &request);
    await(&released);
    g_assert_true(released.succeeded);

    machine_release_async(machine, on_released, &late);
    request = receive(fixture);
    answer_failed(fixture, &request, g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT, "it ran"));
    await(&late);
    g_assert_false(late.succeeded);
    g_assert_error(late.error, CLOCHE_ERROR, CLOCHE_ERROR_TIMED_OUT);
    g_clear_error(&late.error);
    machine_leave(machine);
}

/* What became of it is not known: it is not sent again. */
static void
test_lost_while_captured(Fixture *fixture, gconstpointer data)
{
    Machine *machine = adopt_one(fixture, /* is_held= */ FALSE);
    Outcome released = {machine};

    machine_release_async(machine, on_released, &released);
    receive(fixture);
    close(fixture->fd);
    fixture->fd = -1;
    await(&released);
    g_assert_error(released.error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY);
    g_clear_error(&released.error);
    machine_leave(machine);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are expected */
    g_test_add("/vm/client/order", Fixture, NULL, set_up, test_order, tear_down);
    g_test_add("/vm/client/open-net", Fixture, NULL, set_up, test_open_net, tear_down);
    g_test_add("/vm/client/held", Fixture, NULL, set_up, test_held, tear_down);
    g_test_add("/vm/client/lost-while-opening", Fixture, NULL, set_up, test_lost_while_opening,
               tear_down);
    g_test_add("/vm/client/capture", Fixture, NULL, set_up, test_capture, tear_down);
    g_test_add("/vm/client/lost-while-captured", Fixture, NULL, set_up, test_lost_while_captured,
               tear_down);
    return g_test_run();
}
