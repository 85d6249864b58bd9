/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-slow-descriptors: a user's descriptors and sockets that block whoever closes them, or shares
 * a lock with them, do not stop the calls of another user.
 *
 * The last close of a TCP socket with SO_LINGER blocks while data is unsent, also if it is in the
 * queue of another socket. read() and write() of a pipe hold its lock while they access memory. A
 * call that is not answered fails the test after half a minute.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"
#include "lingering.h"

static Fixture *fixture;
static GDBusConnection *greedy, *other;

static void
assert_other_is_served(void)
{
    g_variant_unref(call(other, MANAGER, "GetQuota", "()"));
}

/* --- sockets --- */

static void
fill(int fd)
{
    static const char bytes[65536];

    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
}

/* Passes the descriptor over the socket, and closes it. */
static void
pass(int socket, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.align = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
    g_assert_cmpint(sendmsg(socket, &message, MSG_NOSIGNAL), ==, 1);
    close(fd);
}

/* --- calls --- */

/* Calls a method that returns descriptors, of which ret_fds gets `count`. Returns the path of the
 * process; NULL: the method returns none. */
static char *
call_for_fds(const char *sandbox, const char *method, GVariant *arguments, int *ret_fds,
             guint count)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        greedy, "org.cloche1", sandbox, "org.cloche1.Sandbox", method, arguments, NULL,
        G_DBUS_CALL_FLAGS_NONE, /* timeout_msec= */ 30000, NULL, &fds, NULL, &error);
    char *path = NULL;

    g_assert_no_error(error);
    g_assert_cmpint(g_unix_fd_list_get_length(fds), >=, (int)count);
    for (guint i = 0; i < count; i++) {
        ret_fds[i] = g_unix_fd_list_get(fds, (int)i, &error);
        g_assert_no_error(error);
    }
    if (g_variant_n_children(answer) > 1)
        g_variant_get_child(answer, 0, "o", &path);
    return path;
}

static char *
open_terminal(const char *sandbox, const char *script, int *ret_fd)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    GVariantDict options;

    g_variant_dict_init(&options, NULL);
    g_variant_dict_insert(&options, "argv", "^as", argv);
    return call_for_fds(sandbox, "OpenTerminal",
                        g_variant_new("(qq@a{sv})", 80, 24, g_variant_dict_end(&options)), ret_fd,
                        1);
}

/* --- tests --- */

/* The call is refused, and the service closes the descriptor that came with it. */
static void
test_refused_call(void)
{
    g_autofree char *sandbox = create(greedy);
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call("org.cloche1", sandbox, "org.cloche1.Sandbox", "WriteFile");
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    int peer, lingering = lingering_open(&peer);

    g_variant_unref(run_shell(greedy, sandbox, "true")); /* polkit is asked */
    fds = g_unix_fd_list_new_from_array(&lingering, 1);
    g_dbus_message_set_unix_fd_list(message, fds);
    g_dbus_message_set_body(message, g_variant_new_parsed("('', @h 0, {'none': <1>})"));
    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
    g_subprocess_send_signal(fixture->service, SIGSTOP);
    g_dbus_connection_send_message(greedy, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error);
    g_assert_no_error(error);
    g_clear_object(&message);
    g_clear_object(&fds);
    /* The bus has closed its copy, and the connection this program's. */
    for (guint i = 0; i < 2; i++)
        g_variant_unref(g_dbus_connection_call_sync(
            greedy, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", NULL, NULL,
            G_DBUS_CALL_FLAGS_NONE, /* timeout_msec= */ 30000, NULL, NULL));
    g_subprocess_send_signal(fixture->service, SIGCONT);
    assert_other_is_served();
    assert_other_is_served();
    close(peer);
    kill_sandbox(greedy, sandbox);
}

/* It arrives over the socket of a terminal, whose input ends. */
static void
test_passed_over_terminal(void)
{
    g_autofree char *sandbox = create(greedy), *process = NULL;
    int peer, lingering = lingering_open(&peer);
    char byte;
    int terminal;

    process = open_terminal(sandbox, "read line; sleep 1000", &terminal);
    pass(terminal, lingering);
    assert_other_is_served();
    while (send(terminal, "x", 1, MSG_NOSIGNAL) == 1)
        g_usleep(1000);
    g_assert_cmpint(errno, ==, EPIPE);
    assert_other_is_served();
    g_variant_unref(call(greedy, process, "Kill", "()"));
    while (read(terminal, &byte, 1) > 0)
        ;
    close(terminal);
    close(peer);
    kill_sandbox(greedy, sandbox);
}

/* It is in the queue of a socket that the service closes. */
static void
test_unread_in_terminal(void)
{
    g_autofree char *sandbox = create(greedy), *process = NULL;
    const int more = 1 << 20;
    struct pollfd room = {.events = POLLOUT};
    int peer, lingering = lingering_open(&peer);
    char byte;

    process = open_terminal(sandbox, "stty raw -echo; echo ready; exec sleep 1000", &room.fd);
    g_assert_cmpint(read(room.fd, &byte, 1), ==, 1);
    while (poll(&room, 1, /* timeout= */ 500) == 1) /* until the guest's window is full */
        fill(room.fd);
    g_assert_no_errno(setsockopt(room.fd, SOL_SOCKET, SO_SNDBUF, &more, sizeof more));
    pass(room.fd, lingering);
    g_variant_unref(call(greedy, process, "Kill", "()"));
    while (read(room.fd, &byte, 1) > 0)
        ;
    assert_other_is_served();
    close(room.fd);
    close(peer);
    kill_sandbox(greedy, sandbox);
}

/* --- memory that blocks --- */

/* A page that nobody fills: whoever accesses it waits until *ret_fd is closed. */
static void *
open_slow_page(int *ret_fd)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register registration = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    const gsize size = (gsize)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(page != MAP_FAILED);
    *ret_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    g_assert_no_errno(*ret_fd);
    g_assert_no_errno(ioctl(*ret_fd, UFFDIO_API, &api));
    registration.range.start = (guint64)(gsize)page;
    registration.range.len = size;
    g_assert_no_errno(ioctl(*ret_fd, UFFDIO_REGISTER, &registration));
    return page;
}

typedef struct {
    int fd;
    gboolean writes;
    void *page;
} Access;

static gpointer
access_slowly(gpointer data)
{
    const Access *access = data;
    gssize n =
        access->writes ? write(access->fd, access->page, 100) : read(access->fd, access->page, 100);

    return GSIZE_TO_POINTER((gsize)n);
}

/* Reads or writes in a thread, which has reached the page when this returns. */
static GThread *
begin_access(const Access *access, int page_fd)
{
    GThread *thread = g_thread_new("slow", access_slowly, (gpointer)access);
    struct pollfd fault = {.fd = page_fd, .events = POLLIN};

    g_assert_cmpint(poll(&fault, 1, /* timeout= */ 30000), ==, 1);
    return thread;
}

/* The caller reads into, or writes from, memory that blocks; meanwhile the service uses the other
 * end. */
static void
test_slow_memory(gconstpointer writes)
{
    g_autofree char *sandbox = create(greedy), *process = NULL;
    const char *argv[] = {"sh", "-c", "echo one; read line; echo two; exec sleep 1000", NULL};
    int fds[3], page_fd;
    void *page = open_slow_page(&page_fd);
    Access access = {.writes = writes != NULL, .page = page};
    GThread *thread;

    process =
        call_for_fds(sandbox, "Start",
                     g_variant_new("(^as@a{sv})", argv, g_variant_new_parsed("@a{sv} {}")), fds, 3);
    access.fd = fds[writes ? 0 : 1];
    thread = begin_access(&access, page_fd);
    assert_other_is_served();
    if (!writes)
        g_assert_cmpint(write(fds[0], "\n", 1), ==, 1);
    assert_other_is_served();
    g_variant_unref(call(greedy, process, "Kill", "()"));
    g_variant_unref(call(greedy, process, "Wait", "()"));
    assert_other_is_served();
    close(page_fd);
    g_thread_join(thread);
    for (guint i = 0; i < 3; i++)
        close(fds[i]);
    munmap(page, (gsize)sysconf(_SC_PAGESIZE));
    kill_sandbox(greedy, sandbox);
}

int
main(int argc, char **argv)
{
    const FixtureOptions options = {.target = 2};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/slow-descriptors/refused-call", test_refused_call);
    g_test_add_func("/slow-descriptors/passed-over-terminal", test_passed_over_terminal);
    g_test_add_func("/slow-descriptors/unread-in-terminal", test_unread_in_terminal);
    g_test_add_data_func("/slow-descriptors/reader", NULL, test_slow_memory);
    g_test_add_data_func("/slow-descriptors/writer", "writes", test_slow_memory);
    fixture = fixture_new(&options);
    greedy = fixture_connect(fixture, /* uid= */ 1);
    other = fixture_connect(fixture, OTHER_UID);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    status = g_test_run();
    fixture_leave(greedy);
    fixture_leave(other);
    fixture_free(fixture);
    return status;
}
