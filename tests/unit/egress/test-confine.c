/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-confine: what a worker can do that an attacker has taken over.
 *
 * Each attempt is made in a process that has confined itself, and reports how it ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

/* Returns 0, or the errno with which the attempt has failed. */
typedef int (*Attempt)(void);

static int
error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int
try(Attempt attempt)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        /* The lowest descriptors are those that a worker begins with. */
        for (int fd = CONFINE_FD_CONTROL; fd < CONFINE_FD_FIRST; fd++)
            dup2(STDERR_FILENO, fd);
        close_range(CONFINE_FD_FIRST, ~0u, 0);
        syscall(SYS_exit_group, confine_apply() ? attempt() : 255);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* --- files and programs --- */

static int
open_file(void)
{
    return error_of(open("/etc/passwd", O_RDONLY));
}

static int
open_raw(void)
{
    return error_of(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0));
}

static int
make_memfd(void)
{
    return error_of(memfd_create("x", 0));
}

static int
execute(void)
{
    char *argv[] = {(char *)"true", NULL};

    return error_of(execve("/bin/true", argv, NULL));
}

static int
fork_process(void)
{
    return error_of(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int
clone_namespaces(void)
{
    return error_of(unshare(CLONE_NEWUSER));
}

static int
duplicate(void)
{
    return error_of(dup(STDERR_FILENO));
}

/* --- other processes --- */

static int
trace(void)
{
    return error_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int
signal_parent(void)
{
    return error_of(syscall(SYS_kill, 1, 0));
}

static int
signal_thread(void)
{
    return error_of(syscall(SYS_tgkill, 1, 1, 0));
}

static int
read_memory(void)
{
    return error_of(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
}

/* --- sockets --- */

static int
open_unix(void)
{
    return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
open_pair(void)
{
    int pair[2];

    return error_of(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static int
open_datagram(void)
{
    return error_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int
open_raw_socket(void)
{
    return error_of(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
open_sctp(void)
{
    return error_of(socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
}

static int
open_netlink(void)
{
    return error_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int
open_vsock(void)
{
    return error_of(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int
bind_socket(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return error_of(bind(fd, (const struct sockaddr *)&address, sizeof address));
}

static int
listen_socket(void)
{
    return error_of(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int
accept_socket(void)
{
    return error_of(accept4(socket(AF_INET, SOCK_STREAM, 0), NULL, NULL, 0));
}

/* The journal's socket could be connected to another one. */
static int
connect_journal(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/notify"};

    return error_of(connect(CONFINE_FD_JOURNAL, (const struct sockaddr *)&address, sizeof address));
}

static int
send_to_address(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/notify"};

    return error_of(
        sendto(CONFINE_FD_JOURNAL, "x", 1, 0, (const struct sockaddr *)&address, sizeof address));
}

static int
send_message(void)
{
    const struct msghdr message = {0};

    return error_of(sendmsg(CONFINE_FD_JOURNAL, &message, 0));
}

static int
send_messages(void)
{
    return error_of(syscall(SYS_sendmmsg, CONFINE_FD_JOURNAL, NULL, 0, 0));
}

static int
filter_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), value = 0;

    return error_of(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &value, sizeof value));
}

static int
use_ioctl(void)
{
    int value;

    return error_of(ioctl(STDERR_FILENO, FIONREAD, &value));
}

static int
use_ring(void)
{
    return error_of(syscall(SYS_io_uring_setup, 1, NULL));
}

/* --- memory --- */

static int
map_executable(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? errno
               : 0;
}

static int
make_executable(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return error_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* --- tests --- */

static void
test_forbidden(void)
{
    static const struct {
        const char *name;
        Attempt attempt;
    } attempts[] = {
        {"open", open_file},
        {"openat2", open_raw},
        {"memfd_create", make_memfd},
        {"execve", execute},
        {"fork", fork_process},
        {"unshare", clone_namespaces},
        {"dup", duplicate},
        {"ptrace", trace},
        {"kill", signal_parent},
        {"tgkill", signal_thread},
        {"process_vm_readv", read_memory},
        {"socket AF_UNIX", open_unix},
        {"socketpair", open_pair},
        {"socket SOCK_DGRAM", open_datagram},
        {"socket SOCK_RAW", open_raw_socket},
        {"socket SCTP", open_sctp},
        {"socket AF_NETLINK", open_netlink},
        {"socket AF_VSOCK", open_vsock},
        {"bind", bind_socket},
        {"listen", listen_socket},
        {"accept", accept_socket},
        {"connect of the journal's socket", connect_journal},
        {"sendto an address", send_to_address},
        {"sendmsg", send_message},
        {"sendmmsg", send_messages},
        {"setsockopt SO_ATTACH_FILTER", filter_socket},
        {"ioctl", use_ioctl},
        {"io_uring_setup", use_ring},
        {"mmap PROT_EXEC", map_executable},
        {"mprotect PROT_EXEC", make_executable},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(attempts); i++) {
        int error = try(attempts[i].attempt);

        if (error != EPERM)
            g_error("%s: errno %d instead of EPERM", attempts[i].name, error);
    }
}

/* A connection by TCP, as a worker makes it. */
static int
connect_by_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || epoll < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        return errno;
    return error_of(connect(fd, (const struct sockaddr *)&address, sizeof address));
}

static int
allocate(void)
{
    char *memory = g_try_malloc(1024 * 1024);

    memset(memory, 1, 1024 * 1024);
    g_free(memory);
    return error_of(send(STDERR_FILENO, "", 0, 0)) == ENOTSOCK ? 0 : 1;
}

static void
test_allowed(void)
{
    int error = try(connect_by_tcp);

    g_assert_true(error == EINPROGRESS || error == ECONNREFUSED);
    g_assert_cmpint(try(allocate), ==, 0);
}

#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
static int
allocate_much(void)
{
    return g_try_malloc(128 * 1024 * 1024) ? 0 : ENOMEM;
}

static void
test_memory(void)
{
    g_assert_cmpint(try(allocate_much), ==, ENOMEM);
}
#endif

/* --- memory of others --- */

static void
become_nobody(void)
{
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
        syscall(SYS_exit_group, 255);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Starts a process of the user nobody, which ends when the other end of *ret_pipe is closed. */
static pid_t
start_nobody(gboolean is_confined, int *ret_pipe)
{
    int to_child[2], from_child[2];
    char byte = 'x';
    pid_t pid;

    g_assert_cmpint(pipe(to_child), ==, 0);
    g_assert_cmpint(pipe(from_child), ==, 0);
    pid = fork();
    if (pid == 0) {
        close(to_child[1]);
        become_nobody();
        if (is_confined && !confine_apply())
            byte = 'n';
        if (write(from_child[1], &byte, 1) == 1)
            byte = (char)read(to_child[0], &byte, 1);
        syscall(SYS_exit_group, 0);
    }
    close(to_child[0]);
    close(from_child[1]);
    g_assert_cmpint(read(from_child[0], &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 'x');
    close(from_child[0]);
    *ret_pipe = to_child[1];
    return pid;
}

/* Returns the errno with which another process of the same user fails to open the memory. */
static int
open_memory(pid_t target)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", (int)target);
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        become_nobody();
        syscall(SYS_exit_group, error_of(open(path, O_RDONLY)));
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_not_dumpable(void)
{
    for (guint i = 0; i < 2; i++) {
        gboolean is_confined = i == 1;
        int wait_pipe;
        pid_t pid = start_nobody(is_confined, &wait_pipe);

        g_assert_cmpint(open_memory(pid), ==, is_confined ? EACCES : 0);
        close(wait_pipe);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(confine_prepare(&error));
    g_assert_no_error(error);
    g_test_add_func("/confine/forbidden", test_forbidden);
    g_test_add_func("/confine/allowed", test_allowed);
#ifndef __SANITIZE_ADDRESS__
    g_test_add_func("/confine/memory", test_memory);
#endif
    g_test_add_func("/confine/not-dumpable", test_not_dumpable);
    return g_test_run();
}
