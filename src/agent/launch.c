/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch: pipes or a terminal, a cgroup, and a child that is created in it.
 *
 * The two channels of a terminal are two descriptors of one master, so each can be closed
 * separately.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"

static int null_fd = -1;

int
launch_open(void)
{
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return null_fd < 0 ? -errno : 0;
}

const char *
launch_resource(int error)
{
    switch (error) {
    case EAGAIN:
        return "processes";
    case ENOMEM:
        return "memory";
    case EMFILE:
    case ENFILE:
        return "descriptors";
    case ENOSPC:
        return "terminals";
    default:
        return "start";
    }
}

/* --- descriptors --- */

/* Makes a pipe or socket. The agent's end does not block. */
static int
make_pair(WireChannel channel, int *ret_ours, int *ret_theirs)
{
    int ends[2];
    int r = channel == WIRE_CONTROL ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                                    : pipe2(ends, O_CLOEXEC);
    if (r < 0)
        return -errno;
    *ret_ours = ends[channel == WIRE_STDIN];
    *ret_theirs = ends[channel != WIRE_STDIN];
    fcntl(*ret_ours, F_SETFL, fcntl(*ret_ours, F_GETFL) | O_NONBLOCK);
    return 0;
}

static bool
is_null(uint32_t flags, WireChannel channel)
{
    return channel == WIRE_STDIN ? flags & START_NO_STDIN : flags & START_DISCARD_OUTPUT;
}

static int
open_channel(const Launch *launch, Child *child, WireChannel channel)
{
    int ours = -1;

    if (channel == WIRE_CONTROL && !(launch->flags & START_CONTROL))
        return 0;
    if (channel != WIRE_CONTROL && is_null(launch->flags, channel)) {
        child->fds[channel] = null_fd;
        return 0;
    }
    if (channel == WIRE_STDERR && launch->flags & START_MERGE_STDERR) {
        child->fds[channel] = child->fds[WIRE_STDOUT];
        return 0;
    }
    int r = make_pair(channel, &ours, &child->fds[channel]);
    return r < 0 ? r : stream_add(launch->stream, channel, ours);
}

static int
open_channels(const Launch *launch, Child *child)
{
    int r = 0;

    for (int i = 0; r == 0 && i < _WIRE_CHANNELS; i++)
        r = open_channel(launch, child, i);
    return r;
}

static int
open_terminal(const Launch *launch, Child *child)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), unlocked = 0;
    struct winsize size = {
        .ws_col = (unsigned short)launch->columns,
        .ws_row = (unsigned short)launch->rows,
    };

    if (master < 0)
        return -errno;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
        goto failed;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        goto failed;
    for (int i = WIRE_STDIN; i <= WIRE_STDERR; i++)
        child->fds[i] = slave;
    child->has_terminal = true;
    int in = fcntl(master, F_DUPFD_CLOEXEC, CHILD_FDS_MIN);
    if (in < 0)
        goto failed;
    int r = stream_add(launch->stream, WIRE_STDIN, in);
    if (r < 0)
        goto failed_with;
    launch->stream->is_terminal = true;
    return stream_add(launch->stream, WIRE_STDOUT, master);
failed:
    r = -errno;
failed_with:
    close(master);
    return r;
}

static void
close_theirs(const Child *child)
{
    for (int i = 0; i < _WIRE_CHANNELS; i++) {
        bool is_shared = i > 0 && child->fds[i] == child->fds[i - 1];
        if (child->fds[i] >= 0 && child->fds[i] != null_fd && !is_shared)
            close(child->fds[i]);
    }
    if (child->report_fd >= 0)
        close(child->report_fd);
    if (child->cgroup_fd >= 0)
        close(child->cgroup_fd);
}

static int
open_report(const Launch *launch, Child *child)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    child->report_fd = ends[1];
    return source_open(launch->report, ends[0], EPOLLIN, launch->on_report);
}

/* --- the child --- */

/* Forks a child into its cgroup, so that all its descendants are in it. */
static pid_t
spawn(Child *child)
{
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)child->cgroup_fd,
    };

    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0 && (errno == ENOSYS || errno == EINVAL)) {
        child->joins_cgroup = true;
        pid = fork();
    }
    if (pid == 0)
        child_run(child);
    return pid < 0 ? -errno : pid;
}

static pid_t
spawn_in_cgroup(const Launch *launch, Child *child)
{
    child->cgroup_fd = cgroup_create(launch->number);
    if (child->cgroup_fd < 0)
        return child->cgroup_fd;
    pid_t pid = spawn(child);
    if (pid < 0)
        cgroup_remove(launch->number);
    return pid;
}

pid_t
launch_child(const Launch *launch, Child *child)
{
    for (int i = 0; i < _WIRE_CHANNELS; i++)
        child->fds[i] = -1;
    child->report_fd = child->cgroup_fd = -1;

    pid_t r = launch->flags & START_TERMINAL ? open_terminal(launch, child)
                                             : open_channels(launch, child);
    if (r == 0)
        r = open_report(launch, child);
    if (r == 0)
        r = spawn_in_cgroup(launch, child);
    close_theirs(child);
    return r;
}
