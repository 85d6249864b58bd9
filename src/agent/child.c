/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * child: descriptors, credentials, directory, environment, program; in this order, because each
 * step needs a privilege that a later step drops.
 *
 * The agent has no threads, so its child may use all of libc. It does not free memory.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "terminfo.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define NOFILE_SOFT 1024 /* the maximum of select(); programs can raise it */

void
child_fail(int error, WireObject about, const char *name)
{
    ChildError report = {.error = error, .about = about};

    if (name)
        snprintf(report.name, sizeof report.name, "%s", name);
    /* The write is atomic. It fails only if the agent is gone. */
    ssize_t n = write(CHILD_REPORT_FD, &report, sizeof report);
    _exit(n == sizeof report ? 127 : 126);
}

_Noreturn static void
fail_step(int error, WireObject about)
{
    child_fail(error, about, /* name= */ NULL);
}

static void
must(int result, WireObject about)
{
    if (result < 0)
        fail_step(errno, about);
}

static void
take_descriptors(const Child *child)
{
    /* All of these are CHILD_FDS_MIN or more, so none is overwritten before it is copied. */
    dup3(child->report_fd, CHILD_REPORT_FD, O_CLOEXEC);
    for (int i = 0; i < _WIRE_CHANNELS; i++)
        if (child->fds[i] < 0)
            close(i);
        else
            must(dup2(child->fds[i], i), WIRE_ABOUT_SYSTEM);
}

static void
join_cgroup(int cgroup_fd)
{
    int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    must(fd, WIRE_ABOUT_SYSTEM);
    must((int)write(fd, "0", 1), WIRE_ABOUT_SYSTEM);
}

/* Undoes the agent's own settings: blocked signals, protection from the OOM killer, limits. A child
 * does not inherit the priority (SCHED_RESET_ON_FORK). */
static void
become_ordinary(void)
{
    sigset_t none;
    struct rlimit files;

    setsid();
    umask(022);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, /* oldset= */ NULL);

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > NOFILE_SOFT) {
        files.rlim_cur = NOFILE_SOFT;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    /* If the agent could not lower the value, there is nothing to restore. */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    dprintf(fd, "0");
    close(fd);
}

static void
become_user(const Account *account)
{
    /* Otherwise the program could not open /dev/stdout. */
    for (int fd = 0; fd <= WIRE_STDERR; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd)))
            must(fchown(fd, account->uid, account->gid), WIRE_ABOUT_SYSTEM);
    }
    must(setgroups(account->n_groups, account->groups), WIRE_ABOUT_SYSTEM);
    must(setresgid(account->gid, account->gid, account->gid), WIRE_ABOUT_SYSTEM);
    must(setresuid(account->uid, account->uid, account->uid), WIRE_ABOUT_SYSTEM);
}

/* If no directory was requested and the home does not exist (user nobody), the program starts in /.
 */
static void
enter_directory(const char *home, const char *cwd)
{
    bool at_home = *cwd != '/' && chdir(home) == 0;

    if (!*cwd) {
        if (!at_home)
            must(chdir("/"), WIRE_ABOUT_DIRECTORY);
        return;
    }
    if (*cwd != '/' && !at_home)
        fail_step(errno, WIRE_ABOUT_DIRECTORY);
    must(chdir(cwd), WIRE_ABOUT_DIRECTORY);
}

/* Programs in ~/.local/bin, as pip installs them, are found first. */
static void
set_path(const Account *account)
{
    char path[PATH_MAX];
    bool has_own = account->uid != 0 && *account->home == '/';
    int n = snprintf(path, sizeof path, "%s/.local/bin:%s", account->home, DEFAULT_PATH);

    has_own = has_own && n > 0 && (size_t)n < sizeof path;
    must(setenv("PATH", has_own ? path : DEFAULT_PATH, 1), WIRE_ABOUT_SYSTEM);
}

static void
set_environment(const Account *account, const Child *child)
{
    const char *const defaults[][2] = {
        {"HOME", account->home},   {"USER", account->name}, {"LOGNAME", account->name},
        {"SHELL", account->shell}, {"LANG", "C.UTF-8"},
    };

    clearenv();
    set_path(account);
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        must(setenv(defaults[i][0], defaults[i][1], 1), WIRE_ABOUT_SYSTEM);
    for (size_t i = 0; i < sizeof child->environment / sizeof *child->environment; i++)
        for (char *const *entry = child->environment[i]; entry && *entry; entry++)
            if (putenv(*entry) != 0)
                fail_step(errno, WIRE_ABOUT_SYSTEM);
    if (child->has_terminal && terminfo_check() < 0)
        fail_step(ENOMEM, WIRE_ABOUT_SYSTEM);
}

_Noreturn void
child_run(const Child *child)
{
    Account account = {.uid = 0};

    take_descriptors(child);
    if (child->joins_cgroup)
        join_cgroup(child->cgroup_fd);
    close_range(CHILD_REPORT_FD + 1, ~0U, 0);
    become_ordinary();

    int r = account_find(child->user, &account);
    if (r < 0)
        fail_step(-r, r == -ENOMEM ? WIRE_ABOUT_SYSTEM : WIRE_ABOUT_USER);
    if (child->has_terminal)
        must(ioctl(STDIN_FILENO, TIOCSCTTY, 0), WIRE_ABOUT_SYSTEM);
    become_user(&account);
    enter_directory(account.home, child->cwd);
    set_environment(&account, child);

    if (child->task)
        child->task(child->argv);
    /* Searches the PATH of the new environment. */
    execvp(child->argv[0], child->argv);
    fail_step(errno, errno == ENOMEM || errno == EAGAIN ? WIRE_ABOUT_SYSTEM : WIRE_ABOUT_PROGRAM);
}
