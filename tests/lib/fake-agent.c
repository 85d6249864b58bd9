/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-agent: one clone(), a few mounts, one exec.
 *
 * The caller may have threads, so only system calls are made between the clone and the exec. A
 * close-on-exec pipe reports what failed.
 */
#include "fake-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT_FD 3
#define NET_FD 4
#define SCRATCH "/mnt" /* covered by a tmpfs for a moment, only in the agent's mount namespace */

typedef struct {
    int error;
    char step[32];
} Failure;

static const struct {
    const char *path, *scratch, *text;
} private_files[] = {
    {"/etc/hostname", SCRATCH "/hostname", "template\n"},
    {"/etc/hosts", SCRATCH "/hosts", "127.0.0.1\tlocalhost\n"},
    {"/etc/machine-id", SCRATCH "/machine-id", "uninitialized\n"},
    {"/etc/resolv.conf", SCRATCH "/resolv.conf", ""},
};

/* A guest's init makes the same /run, which contains only the runners. */
static const char *const run_folders[] = {"/run/cloche", "/run/cloche/runners"};

const char *
fake_agent_cgroup_root(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
            return places[i];
    return NULL;
}

/* --- in the child: system calls only --- */

_Noreturn static void
fail(int report_fd, const char *step)
{
    Failure failure = {.error = errno};

    strncpy(failure.step, step, sizeof failure.step - 1);
    ssize_t n = write(report_fd, &failure, sizeof failure);
    _exit(n == sizeof failure ? 127 : 126);
}

static int
write_new(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n < 0 ? -1 : 0;
}

static void
make_private(int report_fd)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail(report_fd, "private mounts");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        fail(report_fd, "mounting proc");
    if (mount("tmpfs", SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        fail(report_fd, "mounting tmpfs");
    for (gsize i = 0; i < G_N_ELEMENTS(private_files); i++)
        if (write_new(private_files[i].scratch, private_files[i].text) < 0 ||
            mount(private_files[i].scratch, private_files[i].path, NULL, MS_BIND, NULL) < 0)
            fail(report_fd, private_files[i].path);
    if (umount2(SCRATCH, MNT_DETACH) < 0)
        fail(report_fd, "unmounting tmpfs");
}

static void
make_run(const char *runners, int report_fd)
{
    /* Opened first, because the folder may be below /run, which is covered later. */
    int source = open(runners, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char path[64];

    if (source < 0)
        fail(report_fd, "opening the runners");
    if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        fail(report_fd, "mounting tmpfs on /run");
    for (gsize i = 0; i < G_N_ELEMENTS(run_folders); i++)
        if (mkdir(run_folders[i], 0755) < 0)
            fail(report_fd, run_folders[i]);
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", source);
    if (mount(path, run_folders[1], NULL, MS_BIND, NULL) < 0)
        fail(report_fd, "binding the runners");
}

_Noreturn static void
run_agent(const FakeAgent *agent, int fd, int report_fd)
{
    gboolean has_net = agent->net_listener >= 0;
    char *argv[] = {(char *)agent->path,       "--fd",
                    G_STRINGIFY(AGENT_FD),     "--cgroup",
                    (char *)agent->cgroup_dir, has_net ? "--net-fd" : NULL,
                    G_STRINGIFY(NET_FD),       NULL};

    /* The descriptors are copied to higher numbers, in case one of them is AGENT_FD or NET_FD. */
    report_fd = fcntl(report_fd, F_DUPFD_CLOEXEC, NET_FD + 1);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, NET_FD + 1);
    int net_fd = has_net ? fcntl(agent->net_listener, F_DUPFD_CLOEXEC, NET_FD + 1) : -1;
    make_private(report_fd);
    if (agent->runners)
        make_run(agent->runners, report_fd);
    if (dup2(fd, AGENT_FD) < 0 || (has_net && dup2(net_fd, NET_FD) < 0))
        fail(report_fd, "descriptor");
    /* The agent must inherit no other descriptor of the caller. */
    close_range((has_net ? NET_FD : AGENT_FD) + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    execv(agent->path, argv);
    fail(report_fd, "executing the agent");
}

/* --- in the caller --- */

/* Also clones into the cgroup, so that the agent can be frozen and killed with everything that it
 * starts. */
static pid_t
clone_into_namespaces(const FakeAgent *agent)
{
    int cgroup = open(agent->cgroup_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    guint64 network = agent->net_listener >= 0 ? CLONE_NEWNET : 0;
    struct clone_args args = {
        .flags =
            CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_INTO_CGROUP | network,
        .exit_signal = SIGCHLD,
        .cgroup = (guint64)cgroup,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);

    if (pid != 0) {
        int clone_error = errno;
        close(cgroup);
        errno = clone_error;
    }
    return pid;
}

static gboolean
set_error(GError **error, int code, const char *what)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "fake agent: %s: %s", what,
                g_strerror(code));
    return FALSE;
}

/* Waits until the agent runs. */
static gboolean
read_report(int report_fd, GError **error)
{
    Failure failure;
    gssize n;

    do
        n = read(report_fd, &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    return n != sizeof failure || set_error(error, failure.error, failure.step);
}

static pid_t
start(const FakeAgent *agent, int fd, GError **error)
{
    int report[2];

    if (pipe2(report, O_CLOEXEC) < 0) {
        set_error(error, errno, "pipe");
        return -1;
    }
    pid_t pid = clone_into_namespaces(agent);
    if (pid == 0)
        run_agent(agent, fd, report[1]);
    int clone_error = errno;
    close(report[1]);
    gboolean runs =
        pid > 0 ? read_report(report[0], error) : set_error(error, clone_error, "clone");
    close(report[0]);
    if (pid > 0 && !runs)
        waitpid(pid, NULL, 0);
    return runs ? pid : -1;
}

pid_t
fake_agent_spawn(const FakeAgent *agent, int *ret_fd, GError **error)
{
    int ends[2];

    if (mkdir(agent->cgroup_dir, 0755) < 0) {
        set_error(error, errno, agent->cgroup_dir);
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        set_error(error, errno, "socketpair");
        rmdir(agent->cgroup_dir);
        return -1;
    }
    pid_t pid = start(agent, ends[1], error);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        rmdir(agent->cgroup_dir);
        return -1;
    }
    *ret_fd = ends[0];
    return pid;
}

/* Waits until the cgroup is empty, because the kernel may remove the last task from it a moment
 * after the task was reaped. */
static void
remove_cgroup(const char *path)
{
    g_autofree char *events = g_build_filename(path, "cgroup.events", NULL);
    char text[256];

    int fd = open(events, O_RDONLY | O_CLOEXEC);
    while (rmdir(path) < 0 && errno == EBUSY && fd >= 0) {
        gssize n = pread(fd, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        struct pollfd wait = {.fd = fd, .events = POLLPRI};
        if (!strstr(text, "populated 1") || poll(&wait, 1, 1000) == 0)
            break;
    }
    if (fd >= 0)
        close(fd);
    if (rmdir(path) < 0 && errno != ENOENT)
        g_warning("cannot remove %s: %s", path, g_strerror(errno));
}

static void
remove_cgroups(const char *top)
{
    g_autoptr(GDir) directory = g_dir_open(top, 0, NULL);
    const char *name;

    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *path = g_build_filename(top, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            remove_cgroups(path);
    }
    remove_cgroup(top);
}

void
fake_agent_clear(const char *cgroup_dir)
{
    g_autofree char *kill_file = g_build_filename(cgroup_dir, "cgroup.kill", NULL);

    int fd = open(kill_file, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "1", 1) < 0)
            g_warning("cannot kill what is in %s: %s", cgroup_dir, g_strerror(errno));
        close(fd);
    }
    remove_cgroups(cgroup_dir);
}

int
fake_agent_reap(pid_t pid, const char *cgroup_dir)
{
    int status = 0;

    /* When PID 1 of a namespace dies, the kernel kills all its processes. It is reaped only after
     * they have ended. */
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    fake_agent_clear(cgroup_dir);
    return status;
}
