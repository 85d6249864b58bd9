/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-stranger: what a descriptor has arrives, and no descriptor keeps its thread longer than its
 * kind of file must. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "error.h"
#include "stranger.h"

#define ROUNDS 100
#define WAIT_MS 30000

static gboolean is_gone, is_late;

static void
on_gone(gpointer data)
{
    is_gone = TRUE;
}

static gboolean
on_late(gpointer data)
{
    is_late = TRUE;
    return G_SOURCE_REMOVE;
}

/* The other end of what reads `fd`. */
static int
start(int fd)
{
    g_autoptr(GError) error = NULL;
    int ours = -1;

    is_gone = FALSE;
    stranger_new(fd, &ours, on_gone, NULL, &error);
    g_assert_no_error(error);
    return ours;
}

static void
wait_until_gone(void)
{
    guint timer = g_timeout_add(WAIT_MS, on_late, NULL);

    while (!is_gone && !is_late)
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(is_gone);
    g_source_remove(timer);
}

/* Waits for the next bytes; returns what read() does. */
static gssize
receive(int fd, char *bytes, gsize size)
{
    struct pollfd it = {.fd = fd, .events = POLLIN};

    g_assert_cmpint(poll(&it, 1, WAIT_MS), ==, 1);
    return read(fd, bytes, size);
}

static void
assert_receives(int fd, const char *text)
{
    char bytes[64] = {0};

    g_assert_cmpint(receive(fd, bytes, sizeof(bytes) - 1), ==, (gssize)strlen(text));
    g_assert_cmpstr(bytes, ==, text);
}

static void
assert_ends(int fd)
{
    char byte;

    g_assert_cmpint(receive(fd, &byte, 1), ==, 0);
    close(fd);
    wait_until_gone();
}

static void
test_socket(void)
{
    int ends[2], ours;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    ours = start(ends[0]);
    g_assert_cmpint(write(ends[1], "one", 3), ==, 3);
    assert_receives(ours, "one");
    g_assert_cmpint(write(ends[1], "two", 3), ==, 3);
    close(ends[1]);
    assert_receives(ours, "two");
    assert_ends(ours);
}

static void
test_pipe(void)
{
    int ends[2], ours;

    g_assert_cmpint(pipe(ends), ==, 0);
    ours = start(ends[0]);
    g_assert_cmpint(write(ends[1], "one", 3), ==, 3);
    assert_receives(ours, "one");
    g_assert_cmpint(write(ends[1], "two", 3), ==, 3);
    close(ends[1]);
    assert_receives(ours, "two");
    assert_ends(ours);
}

static void
test_file(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("cloche-test-XXXXXX", &path, NULL), ours;

    g_assert_cmpint(write(fd, "text", 4), ==, 4);
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    ours = start(fd);
    assert_receives(ours, "text");
    assert_ends(ours);
    unlink(path);
}

/* A reader who leaves ends the thread, which waits for bytes. */
static void
test_left(void)
{
    int sockets[2], pipes[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), ==, 0);
    close(start(sockets[0]));
    wait_until_gone();
    close(sockets[1]);
    g_assert_cmpint(pipe(pipes), ==, 0);
    close(start(pipes[0]));
    wait_until_gone();
    close(pipes[1]);
}

/* A folder cannot be read. The reader learns that the data is not complete. */
static void
test_error(void)
{
    int ours = start(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    char byte;

    g_assert_cmpint(receive(ours, &byte, 1), ==, -1);
    g_assert_cmpint(errno, ==, ECONNRESET);
    close(ours);
    wait_until_gone();
}

/* Some sockets seem readable before read() would return. */
static void
test_low_water_mark(void)
{
    const int mark = 1000;
    int ends[2], ours;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    g_assert_cmpint(setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)), ==, 0);
    ours = start(ends[0]);
    g_assert_cmpint(write(ends[1], "few", 3), ==, 3);
    assert_receives(ours, "few");
    close(ours);
    wait_until_gone();
    close(ends[1]);
}

static gpointer
compete(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    char byte;

    while (read(fd, &byte, 1) == 1)
        ;
    close(fd);
    return NULL;
}

/* Returns when the bytes of a descriptor were read. */
static void
wait_until_empty(int fd)
{
    int waiting;

    do
        g_assert_cmpint(ioctl(fd, FIONREAD, &waiting), ==, 0);
    while (waiting > 0);
}

/* Another reader takes the byte that poll() reported. */
static void
test_competitor(void)
{
    GThread *thread;
    int ends[2];

    g_assert_cmpint(pipe(ends), ==, 0);
    thread = g_thread_new("competitor", compete, GINT_TO_POINTER(dup(ends[0])));
    for (guint i = 0; i < ROUNDS; i++) {
        int ours = start(dup(ends[0]));

        g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
        wait_until_empty(ends[0]);
        close(ours);
        wait_until_gone();
    }
    close(ends[1]);
    g_thread_join(thread);
    close(ends[0]);
}

/* A terminal seems readable after one byte, and then read() waits for 200. Until it returns, the
 * thread is there, although its reader has left. */
static void
test_terminal(void)
{
    g_autofree char *rest = g_strnfill(199, 'x');
    struct termios raw;
    int master, slave, watched, ours;

    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
    g_assert_cmpint(tcgetattr(slave, &raw), ==, 0);
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 200;
    raw.c_cc[VTIME] = 255;
    g_assert_cmpint(tcsetattr(slave, TCSANOW, &raw), ==, 0);
    g_assert_cmpint(write(master, "x", 1), ==, 1);
    watched = dup(slave);
    ours = start(slave);
    wait_until_empty(watched); /* read() has taken the byte, and waits for others */
    close(ours);
    for (guint i = 0; i < 100; i++)
        g_main_context_iteration(NULL, FALSE);
    g_assert_false(is_gone);
    g_assert_cmpint(write(master, rest, 199), ==, 199);
    wait_until_gone();
    close(master);
    close(watched);
}

/* What they return depends on the process that reads. */
static void
test_refused(void)
{
    const uid_t nobody = 65534, uid = geteuid();
    sigset_t signals;
    int fds[3];

    if (uid == 0) {
        g_assert_no_errno(seteuid(nobody));
        g_assert_no_errno(prctl(PR_SET_DUMPABLE, 1));
    }

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    fds[0] = signalfd(-1, &signals, SFD_CLOEXEC);
    fds[1] = eventfd(1, EFD_CLOEXEC);
    fds[2] = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_autoptr(GError) error = NULL;
        int ours;

        g_assert_null(stranger_new(fds[i], &ours, on_gone, NULL, &error));
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);
    }
    g_assert_no_errno(seteuid(uid));
}

/* Nobody is called who has left. */
static void
test_leave(void)
{
    g_autoptr(GError) error = NULL;
    Stranger *stranger;
    int ends[2], ours;

    g_assert_cmpint(pipe(ends), ==, 0);
    is_gone = FALSE;
    stranger = stranger_new(ends[0], &ours, on_gone, NULL, &error);
    stranger_leave(stranger);
    close(ours);
    close(ends[1]);
    while (!g_main_context_iteration(NULL, TRUE))
        ;
    g_assert_false(is_gone);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest/stranger/socket", test_socket);
    g_test_add_func("/guest/stranger/pipe", test_pipe);
    g_test_add_func("/guest/stranger/file", test_file);
    g_test_add_func("/guest/stranger/left", test_left);
    g_test_add_func("/guest/stranger/error", test_error);
    g_test_add_func("/guest/stranger/low-water-mark", test_low_water_mark);
    g_test_add_func("/guest/stranger/competitor", test_competitor);
    g_test_add_func("/guest/stranger/terminal", test_terminal);
    g_test_add_func("/guest/stranger/refused", test_refused);
    g_test_add_func("/guest/stranger/leave", test_leave);
    return g_test_run();
}
