/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-closer: descriptors are closed soon, and none delays the others. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "lingering.h"

#define WAIT_MS 20000

static void
wait_until_closed(int other_end)
{
    struct pollfd hung_up = {.fd = other_end};

    g_assert_cmpint(poll(&hung_up, 1, WAIT_MS), ==, 1);
    close(other_end);
}

static void
open_sockets(int fds[2])
{
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

static void
send_fds(int socket, const int *fds, guint count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * CLOSER_RECEIVED_MAX)];
    } control = {.align = {CMSG_LEN(sizeof(int) * count), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {"x", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};

    memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * count);
    g_assert_cmpint(sendmsg(socket, &message, 0), ==, 1);
}

/* The number of descriptors that a thread of this process has. */
static guint
count_fds(const char *thread)
{
    g_autofree char *path = g_build_filename("/proc/self/task", thread, "fd", NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    guint count = 0;

    while (folder && g_dir_read_name(folder))
        count++;
    return count;
}

static gboolean
blocks(const char *thread, int signal)
{
    g_autofree char *path = g_build_filename("/proc/self/task", thread, "status", NULL);
    g_autofree char *status = NULL;
    const char *mask;

    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    mask = strstr(status, "SigBlk:");
    g_assert_nonnull(mask);
    return g_ascii_strtoull(mask + strlen("SigBlk:\t"), NULL, 16) >> (signal - 1) & 1;
}

/* A handler could not wake the main loop from a thread without the descriptors of the process. */
static void
test_signals(void)
{
    g_autoptr(GDir) threads = NULL;
    const char *thread;
    guint found = 0;

    closer_init();
    threads = g_dir_open("/proc/self/task", 0, NULL);
    while ((thread = g_dir_read_name(threads))) {
        if (count_fds(thread) != 1)
            continue;
        found++;
        g_assert_true(blocks(thread, SIGTERM));
        g_assert_true(blocks(thread, SIGCHLD));
        g_assert_false(blocks(thread, SIGSEGV));
    }
    g_assert_cmpuint(found, ==, 1);
}

static void
test_many(void)
{
    int fds[200][2];

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        open_sockets(fds[i]);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        closer_close(fds[i][0]);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        wait_until_closed(fds[i][1]);
}

static void
test_lingering(void)
{
    int peers[100], fds[2];

    for (guint i = 0; i < G_N_ELEMENTS(peers); i++)
        closer_close(lingering_open(&peers[i]));
    open_sockets(fds);
    closer_close(fds[0]);
    wait_until_closed(fds[1]);
    for (guint i = 0; i < G_N_ELEMENTS(peers); i++)
        close(peers[i]);
}

/* Each is in the queue of a socket that is closed. They are more than there are threads. */
static void
test_lingering_in_queue(void)
{
    int fds[2], peers[100];

    for (guint i = 0; i < G_N_ELEMENTS(peers); i++) {
        int lingering = lingering_open(&peers[i]);

        open_sockets(fds);
        send_fds(fds[1], &lingering, 1);
        close(lingering);
        closer_close(fds[0]);
        wait_until_closed(fds[1]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(peers); i++)
        close(peers[i]);
}

static void
test_receive(void)
{
    int fds[2], sent[CLOSER_RECEIVED_MAX][2], ends[CLOSER_RECEIVED_MAX];
    char bytes[8];

    open_sockets(fds);
    g_assert_cmpint(closer_receive(fds[0], bytes, sizeof bytes), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
    g_assert_cmpint(write(fds[1], "ab", 2), ==, 2);
    g_assert_cmpint(closer_receive(fds[0], bytes, sizeof bytes), ==, 2);
    for (guint i = 0; i < CLOSER_RECEIVED_MAX; i++) {
        open_sockets(sent[i]);
        ends[i] = sent[i][0];
    }
    send_fds(fds[1], ends, CLOSER_RECEIVED_MAX);
    for (guint i = 0; i < CLOSER_RECEIVED_MAX; i++)
        close(ends[i]);
    g_assert_cmpint(closer_receive(fds[0], bytes, sizeof bytes), ==, -1);
    g_assert_cmpint(errno, ==, EPROTO);
    for (guint i = 0; i < CLOSER_RECEIVED_MAX; i++)
        wait_until_closed(sent[i][1]);
    close(fds[1]);
    g_assert_cmpint(closer_receive(fds[0], bytes, sizeof bytes), ==, 0);
    close(fds[0]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/closer/signals", test_signals);
    g_test_add_func("/base/closer/many", test_many);
    g_test_add_func("/base/closer/lingering", test_lingering);
    g_test_add_func("/base/closer/lingering-in-queue", test_lingering_in_queue);
    g_test_add_func("/base/closer/receive", test_receive);
    return g_test_run();
}
