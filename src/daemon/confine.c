/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: what the daemon gives up before it serves anybody.
 *
 * The unit has a filter, too, of what any service may need; this one is of what this service needs,
 * and holds wherever it is started. qemu-img, which makes overlays, lives under it as well.
 */
#include "confine.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/socket.h>

#include "util.h"

static gboolean
has_none(cap_t none)
{
    cap_t now = cap_get_proc();
    gboolean equal = now && cap_compare(now, none) == 0;

    cap_free(now);
    return equal;
}

/* systemd's filter does not let us drop what systemd did not give us. */
gboolean
confine_capabilities(GError **error)
{
    cap_t none = cap_init();
    gboolean good = none && (has_none(none) || (cap_set_proc(none) == 0 && has_none(none)));

    if (!good)
        util_set_errno(error, errno, "Cannot drop the capabilities");
    cap_free(none);
    return good;
}

/* --- system calls --- */

/* Some exist on some architectures only; those are passed over. */
static const char *const allowed[] = {
    /* memory; MemoryDenyWriteExecute= of the unit looks at what is mapped */
    "brk",
    "mmap",
    "mmap2",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mincore",
    "msync",
    "membarrier",
    "memfd_create",
    /* files: records, templates, overlays, configuration */
    "open",
    "openat",
    "openat2",
    "creat",
    "close",
    "close_range",
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "lseek",
    "_llseek",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fcntl64",
    "flock",
    "ioctl",
    "stat",
    "fstat",
    "lstat",
    "stat64",
    "fstat64",
    "lstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "statfs64",
    "fstatfs",
    "fstatfs64",
    "access",
    "faccessat",
    "faccessat2",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "fchdir",
    "readlink",
    "readlinkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "truncate",
    "truncate64",
    "ftruncate",
    "ftruncate64",
    "fallocate",
    "fadvise64",
    "fadvise64_64",
    "sync",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "copy_file_range",
    "sendfile",
    "sendfile64",
    "splice",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "chown32",
    "fchown",
    "fchown32",
    "lchown",
    "lchown32",
    "fchownat",
    "umask",
    "utimensat",
    "utimes",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    /* waiting */
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "_newselect",
    "pselect6",
    "pselect6_time64",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_settime64",
    "timerfd_gettime",
    "timerfd_gettime64",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    "futex",
    "futex_time64",
    "futex_waitv",
    "nanosleep",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "restart_syscall",
    "pipe",
    "pipe2",
    /* sockets: the buses, libvirtd, the journal, machines; which families, the filter below says */
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "shutdown",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "recvmmsg_time64",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "socketcall",
    /* time and chance */
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_getres_time64",
    "gettimeofday",
    "time",
    "getrandom",
    /* itself, its threads, and qemu-img */
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "waitpid",
    "kill",
    "tkill",
    "tgkill",
    "pidfd_open",
    "pidfd_send_signal",
    "getpid",
    "getppid",
    "gettid",
    "getpgid",
    "getpgrp",
    "setpgid",
    "getsid",
    "setsid",
    "getuid",
    "getuid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getegid",
    "getegid32",
    "getgroups",
    "getgroups32",
    "getresuid",
    "getresuid32",
    "getresgid",
    "getresgid32",
    "capget",
    "prctl",
    "arch_prctl",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "uname",
    "sysinfo",
    "getrlimit",
    "ugetrlimit",
    "prlimit64",
    "getrusage",
    "times",
    "getcpu",
    "getpriority",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_getattr",
    "sched_get_priority_max",
    "sched_get_priority_min",
    /* signals */
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigpending",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "sigreturn",
    "sigaltstack",
    "signalfd",
    "signalfd4",
    "alarm",
    "setitimer",
    "getitimer",
};

static int
allow_names(scmp_filter_ctx filter)
{
    int r = 0;

    for (gsize i = 0; r == 0 && i < G_N_ELEMENTS(allowed); i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);

        if (number == __NR_SCMP_ERROR)
            return -EINVAL;
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        if (r == -EDOM) /* not of this architecture */
            r = 0;
    }
    return r;
}

/* Nothing here speaks to a network. */
static int
allow_sockets(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)AF_UNIX));
}

gboolean
confine_system_calls(GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int r = filter ? 0 : -ENOMEM;

    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = allow_names(filter);
    if (r == 0)
        r = allow_sockets(filter);
    if (r == 0)
        r = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return r == 0 || util_set_errno(error, -r, "Cannot filter system calls");
}
