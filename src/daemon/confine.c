/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: drops capabilities and filters system calls of the daemon, before it serves callers.
 *
 * The unit has a filter as well, which allows what services in general need. This filter allows
 * only what this service needs, and applies however the service is started. It also applies to
 * qemu-img, which makes overlays. Other calls fail with EPERM, because libraries try some of them
 * and can do without (qemu-img: io_uring_setup and get_mempolicy).
 */
#include "confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/socket.h>

#include "call-filter.h"
#include "util.h"

static gboolean
has_none(cap_t none)
{
    cap_t now = cap_get_proc();
    gboolean equal = now && cap_compare(now, none) == 0;

    cap_free(now);
    return equal;
}

/* Sets the capabilities only if there are any, because systemd's filter may deny capset(). */
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

/* Grouped by purpose: the calls that were observed with glibc on x86-64, and their counterparts in
 * other versions of glibc and on other architectures. Calls that an architecture lacks are skipped.
 */
static const char *const allowed[] = {
    /* memory; memfd_create: long lines to the journal */
    "brk madvise memfd_create mmap mmap2 mprotect mremap munmap",
    /* files and folders: records, templates, overlays, configuration */
    "access faccessat faccessat2 close close_range dup dup2 dup3 fcntl fcntl64 flock open openat",
    "fstat fstat64 fstatat64 lstat lstat64 newfstatat stat stat64 statx",
    "fstatfs fstatfs64 statfs statfs64",
    "_llseek lseek pread64 preadv pwrite64 pwritev read readv write writev",
    "copy_file_range fadvise64 fadvise64_64 fallocate fdatasync fsync ftruncate ftruncate64 "
    "sendfile",
    "sendfile64 splice sync sync_file_range",
    "getcwd getdents getdents64 mkdir mkdirat readlink readlinkat rename renameat renameat2 rmdir",
    "unlink unlinkat",
    "inotify_add_watch inotify_init1 inotify_rm_watch",
    /* owners, modes and access lists */
    "chmod chown chown32 fchmod fchmodat fchown fchown32 fchownat lchown lchown32 umask",
    "fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr",
    "lremovexattr lsetxattr removexattr setxattr utimensat utimensat_time64",
    /* FICLONE, and requests of qemu-img to file systems */
    "ioctl",
    /* waiting and waking */
    "epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd2 futex futex_time64 pipe",
    "pipe2 poll ppoll ppoll_time64 pselect6 pselect6_time64 _newselect select signalfd4",
    "clock_nanosleep clock_nanosleep_time64 nanosleep restart_syscall timerfd_create",
    "timerfd_settime timerfd_settime64",
    /* the buses, libvirtd, the journal, machines: the daemon only connects and never listens */
    "connect getpeername getsockname getsockopt recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
    "send",
    "sendmmsg sendmsg sendto setsockopt shutdown",
    /* time and randomness */
    "clock_getres clock_getres_time64 clock_gettime clock_gettime64 getrandom gettimeofday time",
    /* programs and threads; GLib copies the scheduling attributes to new threads of a pool */
    "arch_prctl execve exit exit_group fork kill pidfd_open pidfd_send_signal prctl rseq",
    "set_robust_list set_tid_address tgkill tkill vfork wait4 waitid waitpid",
    "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_setattr sched_yield",
    "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp",
    "getpid getppid getresgid getresgid32 getresuid getresuid32 getsid gettid getuid getuid32",
    "getcpu getrlimit getrusage prlimit64 sysinfo ugetrlimit uname",
    /* signals */
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait",
    "rt_sigtimedwait_time64 sigaltstack sigreturn",
};

/* The daemon uses no network. */
static int
allow_sockets(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp is_local = SCMP_A0(SCMP_CMP_EQ, AF_UNIX);
    int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, is_local);

    return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, is_local);
}

/* Denies new namespaces: a process has all capabilities in its own user namespace, which exposes
 * more of the kernel. A filter cannot read the flags of clone3(), so clone3() does not exist, and
 * libraries use clone() instead. */
static int
allow_clone(scmp_filter_ctx filter)
{
    const scmp_datum_t namespaces = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS |
                                    CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;
    int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));

    return r < 0 ? r : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int
load_filter(scmp_filter_ctx filter)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

    if (r == 0)
        r = call_filter_allow_groups(filter, allowed, G_N_ELEMENTS(allowed));
    if (r == 0)
        r = allow_sockets(filter);
    if (r == 0)
        r = allow_clone(filter);
    return r == 0 ? seccomp_load(filter) : r;
}

gboolean
confine_system_calls(GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int r = filter ? load_filter(filter) : -ENOMEM;

    if (filter)
        seccomp_release(filter);
    return r == 0 || util_set_errno(error, -r, "Cannot filter system calls");
}
