/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* task: forks, and gives the child the descriptors that a child of the agent has. */
#include "task.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builtin.h"

#define WAIT_MS 10000

static void
drop_root(void)
{
    const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;

    if (nobody && (setresgid(nobody->pw_gid, nobody->pw_gid, nobody->pw_gid) < 0 ||
                   setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) < 0))
        _exit(125);
}

Task *
task_start(const char *const *argv, gboolean unprivileged)
{
    Task *task = g_new0(Task, 1);
    int output[2], report[2];

    g_assert_cmpint(pipe2(output, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(report, O_CLOEXEC), ==, 0);
    task->pid = fork();
    g_assert_cmpint(task->pid, >=, 0);
    if (task->pid == 0) {
        int report_fd = fcntl(report[1], F_DUPFD_CLOEXEC, CHILD_FDS_MIN);

        dup2(output[1], STDOUT_FILENO);
        dup3(report_fd, CHILD_REPORT_FD, O_CLOEXEC);
        close_range(CHILD_FDS_MIN, ~0U, 0);
        if (unprivileged)
            drop_root();
        builtin_run((char *const *)argv);
    }
    close(output[1]);
    close(report[1]);
    task->output_fd = output[0];
    task->report_fd = report[0];
    task->output = g_byte_array_new();
    return task;
}

/* Returns the result of read(). */
static gssize
read_some(int fd, void *data, gsize size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    g_assert_cmpint(poll(&wait, 1, WAIT_MS), ==, 1);
    return read(fd, data, size);
}

gboolean
task_wait_ready(Task *task, ChildError *ret_error)
{
    gssize size = read_some(task->report_fd, ret_error, sizeof *ret_error);

    g_assert_true(size == 0 || size == sizeof *ret_error);
    return size == 0;
}

static gboolean
read_output(Task *task)
{
    guint8 bytes[65536];
    gssize size = read_some(task->output_fd, bytes, sizeof bytes);

    g_assert_cmpint(size, >=, 0);
    g_byte_array_append(task->output, bytes, (guint)size);
    return size > 0;
}

void
task_wait_output(Task *task, gsize size)
{
    while (task->output->len < size)
        g_assert_true(read_output(task));
}

int
task_wait_end(Task *task)
{
    int status;

    while (read_output(task))
        ;
    g_assert_cmpint(waitpid(task->pid, &status, 0), ==, task->pid);
    task->pid = 0;
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void
task_stop(Task *task)
{
    int status;

    g_assert_cmpint(kill(task->pid, SIGSTOP), ==, 0);
    g_assert_cmpint(waitpid(task->pid, &status, WUNTRACED), ==, task->pid);
    g_assert_true(WIFSTOPPED(status));
}

void
task_continue(Task *task)
{
    g_assert_cmpint(kill(task->pid, SIGCONT), ==, 0);
}

void
task_free(Task *task)
{
    if (!task)
        return;
    if (task->pid > 0) {
        kill(task->pid, SIGKILL);
        waitpid(task->pid, NULL, 0);
    }
    close(task->output_fd);
    close(task->report_fd);
    g_byte_array_unref(task->output);
    g_free(task);
}
