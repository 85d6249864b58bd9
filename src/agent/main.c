/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cloche-agent: the guest's first process, which executes the host's requests.
 *
 * As /init it is PID 1 of a machine. With --fd and --cgroup it serves one connected socket with the
 * given cgroup2 directory, and ends when the socket's other end closes. With --net-fd it also makes
 * a network, whose port is this listening socket (net-port.h). Tests run it this way, as PID 1 of
 * namespaces on the kernel of the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "claim.h"
#include "clock.h"
#include "confine.h"
#include "host-port.h"
#include "init.h"
#include "loop.h"
#include "net-child.h"
#include "process.h"
#include "quiesce.h"
#include "request.h"
#include "stream.h"

#define REAPED_PER_TURN 64
#define FLUSH_AT (64u * 1024)

static Source child_signals = {.fd = -1};
static bool may_have_children_to_reap;

static void
on_child_signal(Source *source, uint32_t events)
{
    struct signalfd_siginfo info;

    while (read(source->fd, &info, sizeof info) > 0)
        may_have_children_to_reap = true;
}

/* As PID 1 it also reaps all orphans, a bounded number before it looks at the port again. */
static void
reap(void)
{
    struct rusage usage;
    int status;

    for (int i = 0; i < REAPED_PER_TURN; i++) {
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0) {
            may_have_children_to_reap = false;
            return;
        }
        if (!process_reaped(pid, status, &usage) && !quiesce_reaped(pid, status))
            net_child_reaped(pid);
    }
}

static int
take_signals(void)
{
    sigset_t all, children;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* the parent may have ignored it */
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, /* oldset= */ NULL);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    int fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : source_open(&child_signals, fd, EPOLLIN, on_child_signal);
}

/* Occupies the low descriptor numbers, which children need. */
static int
occupy_low_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd < CHILD_FDS_MIN);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/*
 * Real-time priority, memory that is locked, and protection from the OOM killer; children do not
 * inherit them. Errors are ignored, because a container may not permit them to tests.
 */
static void
put_itself_first(bool owns_kernel)
{
    struct sched_param low = {.sched_priority = 1}, none = {.sched_priority = 0};

    if (!owns_kernel || sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &low) < 0) {
        setpriority(PRIO_PROCESS, 0, -20);
        sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    dprintf(fd, "-1000");
    close(fd);
}

static void
raise_descriptor_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int
set_up(int fd, int net_fd, const char *cgroup, bool owns_kernel)
{
    net_child_start(net_fd);
    put_itself_first(owns_kernel);
    raise_descriptor_limit();
    claim_open(owns_kernel);
    clock_open(owns_kernel);
    quiesce_open(owns_kernel);

    int r = occupy_low_descriptors();
    if (r == 0)
        r = confine_all();
    if (r == 0)
        r = loop_open();
    if (r == 0)
        r = take_signals();
    if (r == 0)
        r = net_child_watch();
    if (r == 0)
        r = process_open(cgroup);
    if (r == 0 && owns_kernel)
        r = init_close_cgroups();
    if (r == 0)
        r = port_open(fd, /* is_socket= */ !owns_kernel, &request_handlers);
    return r;
}

static bool
is_busy(void)
{
    return port_has_input() || streams_have_work() || may_have_children_to_reap;
}

/* Handles events between any two pieces of work. Writes to the port when there is no more work or
 * much to write. Writing makes room, for which work may be waiting. */
static void
serve(void)
{
    while (!port_is_gone()) {
        if (!is_busy() || port_waiting() >= FLUSH_AT)
            port_flush();
        loop_turn(/* block= */ !is_busy() && !port_is_gone());
        if (may_have_children_to_reap)
            reap();
        if (port_has_input())
            port_read();
        if (streams_have_work())
            streams_turn();
    }
}

static bool
read_arguments(int argc, char **argv, int *ret_fd, int *ret_net_fd, const char **ret_cgroup)
{
    bool has_net = argc == 7 && strcmp(argv[5], "--net-fd") == 0;

    if ((argc != 5 && !has_net) || strcmp(argv[1], "--fd") != 0 || strcmp(argv[3], "--cgroup") != 0)
        return false;
    *ret_fd = atoi(argv[2]);
    *ret_cgroup = argv[4];
    *ret_net_fd = has_net ? atoi(argv[6]) : -1;
    return true;
}

int
main(int argc, char **argv)
{
    bool owns_kernel = argc == 1 && strcmp(argv[0], "/init") == 0;
    const char *cgroup = INIT_CGROUP;
    int fd, net_fd;

    if (owns_kernel)
        fd = init_machine(&net_fd);
    else if (!read_arguments(argc, argv, &fd, &net_fd, &cgroup)) {
        fprintf(stderr, "usage: %s --fd N --cgroup DIRECTORY [--net-fd N]\n", argv[0]);
        return 2;
    }
    if (fd < 0)
        return EXIT_FAILURE;

    int r = set_up(fd, net_fd, cgroup, owns_kernel);
    if (r < 0) {
        fprintf(stderr, "cloche-agent: %s\n", strerror(-r));
        return EXIT_FAILURE;
    }
    serve();
    return EXIT_SUCCESS;
}
