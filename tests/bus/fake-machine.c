/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-machine: takes the place of QEMU: a process that outlives the daemon.
 *
 * It runs the real agent and listens on the socket of the agent's channel. The agent itself listens
 * on the socket of the network's channel, which has the same path with ".net" at its end. Like
 * QEMU, it serves one host at a time, and listens again when the host closes the connection. Bytes
 * that it had not passed on are then lost, and bytes that the agent sends meanwhile wait. It ends
 * when its agent ends, on SIGTERM, and when the test has ended. It runs in a new session, and its
 * parent exits when the machine is ready.
 *
 * fake-machine CONTROL NAME SOCKET AGENT RUNNERS UID
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake-agent.h"
#include "fake-record.h"
#include "vm-fake.h"

typedef struct {
    char bytes[64 * 1024];
    gsize begin, end; /* the bytes that wait */
} Buffer;

static struct {
    const char *control, *name, *socket, *agent_path, *runners, *uid;
    char *cgroup;
    pid_t pid; /* of the agent */
    int agent; /* the agent's stream; -1: the agent has closed it */
    int listener;
    int host; /* the connection, or -1 */
    Buffer to_agent, to_host;
} self = {.agent = -1, .listener = -1, .host = -1};

_Noreturn static void
die(const char *what)
{
    g_printerr("fake-machine %s: %s: %s\n", self.name, what, g_strerror(errno));
    exit(EXIT_FAILURE);
}

/* --- bytes --- */

static gboolean
is_empty(const Buffer *buffer)
{
    return buffer->begin == buffer->end;
}

static gboolean
is_over(gssize n)
{
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Both return FALSE when the other end has closed the descriptor. */

static gboolean
fill(Buffer *buffer, int fd)
{
    gssize n = read(fd, buffer->bytes, sizeof buffer->bytes);

    buffer->begin = 0;
    buffer->end = n > 0 ? (gsize)n : 0;
    return !is_over(n);
}

static gboolean
drain(Buffer *buffer, int fd)
{
    gssize n = send(fd, buffer->bytes + buffer->begin, buffer->end - buffer->begin, MSG_NOSIGNAL);

    if (n > 0)
        buffer->begin += (gsize)n;
    return !is_over(n);
}

static void
hang_up(int *fd, Buffer *lost)
{
    close(*fd);
    *fd = -1;
    lost->begin = lost->end = 0;
}

/* Reads only as much as fits into the buffer, so that a fast sender waits. */
static void
receive(gboolean from_host, gboolean from_agent)
{
    if (from_host && is_empty(&self.to_agent) && !fill(&self.to_agent, self.host))
        hang_up(&self.host, &self.to_host);
    if (from_agent && is_empty(&self.to_host) && !fill(&self.to_host, self.agent))
        hang_up(&self.agent, &self.to_agent);
}

static void
pass_on(void)
{
    if (!is_empty(&self.to_agent) && !drain(&self.to_agent, self.agent))
        hang_up(&self.agent, &self.to_agent);
    if (!is_empty(&self.to_host) && !drain(&self.to_host, self.host))
        hang_up(&self.host, &self.to_host);
    /* After the agent's last bytes. */
    if (self.host >= 0 && self.agent < 0 && is_empty(&self.to_host))
        hang_up(&self.host, &self.to_host);
}

/* --- the loop --- */

static struct pollfd
wait_for(int fd, gboolean input, gboolean output)
{
    short events = (short)((input ? POLLIN : 0) | (output ? POLLOUT : 0));

    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

/* Returns TRUE when the agent has ended and the host has received its last bytes; FALSE when the
 * machine was ended from outside. */
static gboolean
serve(int signals, int test, int pidfd)
{
    gboolean agent_runs = TRUE;

    while (agent_runs || self.host >= 0) {
        gboolean is_linked = self.host >= 0 && self.agent >= 0;
        struct pollfd fds[] = {
            {.fd = signals, .events = POLLIN},
            {.fd = test, .events = 0}, /* poll() always reports POLLHUP */
            {.fd = agent_runs ? pidfd : -1, .events = POLLIN},
            wait_for(self.listener, self.host < 0 && self.agent >= 0, FALSE),
            wait_for(self.host, is_linked && is_empty(&self.to_agent), !is_empty(&self.to_host)),
            wait_for(self.agent, is_linked && is_empty(&self.to_host), !is_empty(&self.to_agent)),
        };

        if (poll(fds, G_N_ELEMENTS(fds), /* timeout= */ -1) < 0 && errno != EINTR)
            die("poll");
        if (fds[0].revents || fds[1].revents)
            return FALSE;
        if (fds[2].revents)
            agent_runs = FALSE;
        if (fds[3].revents)
            self.host = accept4(self.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        receive(is_linked && fds[4].revents, is_linked && fds[5].revents);
        pass_on();
    }
    return TRUE;
}

static const char *
end_name(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return "shut-down";
    return WIFEXITED(status) && WEXITSTATUS(status) == FAKE_PANIC ? "panicked" : "died";
}

/* --- start --- */

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, /* backlog= */ 1) < 0)
        die(path);
    return listener;
}

static void
start_agent(void)
{
    g_autofree char *net_socket = g_strconcat(self.socket, ".net", NULL);
    g_autoptr(GError) error = NULL;
    FakeAgent agent = {.path = self.agent_path, .runners = self.runners};

    agent.cgroup_dir = self.cgroup = fake_record_cgroup(self.control, self.name);
    agent.net_listener = listen_at(net_socket);
    self.pid = fake_agent_spawn(&agent, &self.agent, &error);
    close(agent.net_listener);
    if (self.pid < 0) {
        g_printerr("fake-machine %s: %s\n", self.name, error->message);
        exit(EXIT_FAILURE);
    }
    g_unix_set_fd_nonblocking(self.agent, TRUE, NULL);
}

static int
take_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Opens a FIFO that the test holds open for writing. -1: the test has ended. */
static int
watch_test(void)
{
    g_autofree char *path = g_build_filename(self.control, "test", NULL);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char byte;

    return fd >= 0 && read(fd, &byte, 1) < 0 && errno == EAGAIN ? fd : -1;
}

/* The parent waits until the machine is ready or has failed. */
static int
fork_away(void)
{
    int ready[2];
    char byte;

    if (pipe2(ready, O_CLOEXEC) < 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid > 0) {
        close(ready[1]);
        _exit(read(ready[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ready[0]);
    setsid();
    return ready[1];
}

int
main(int argc, char **argv)
{
    g_autofree char *record = NULL;

    if (argc != 7)
        return EXIT_FAILURE;
    self.control = argv[1];
    self.name = argv[2];
    self.socket = argv[3];
    self.agent_path = argv[4];
    self.runners = argv[5];
    self.uid = argv[6];

    int ready = fork_away();
    signal(SIGPIPE, SIG_IGN); /* the daemon may die at any time */
    self.listener = listen_at(self.socket);
    start_agent();
    int signals = take_signals(), test = watch_test();
    int pidfd = (int)syscall(SYS_pidfd_open, self.pid, 0);
    record = g_strdup_printf("%d %s", (int)getpid(), self.uid);
    fake_record_write(self.control, self.name, "", record);
    close(FAKE_LOCK_FD);
    if (write(ready, "", 1) < 0)
        g_warning("The daemon is gone already");
    close(ready);

    gboolean by_itself = test >= 0 && serve(signals, test, pidfd);
    int status = fake_agent_reap(self.pid, self.cgroup);
    if (by_itself)
        fake_record_write(self.control, self.name, FAKE_ENDED, end_name(status));
    g_free(self.cgroup);
    return EXIT_SUCCESS;
}
