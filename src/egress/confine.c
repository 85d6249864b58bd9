/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: what a worker may do.
 *
 * The filter is made once, as a program for the kernel, and shared by all workers. System calls
 * that it does not know fail with EPERM, because libraries try some of them and can do without.
 */
#include "confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call-filter.h"
#include "util.h"

/* Streams, connections that send their last bytes, attempts to connect, and some others. */
#define FILES_MAX 1536u
#define MEMORY_MAX (96u * 1024 * 1024)

static struct sock_fprog program;

/* sendmsg() is not there: it could send to any socket of the host that takes datagrams. */
static const char *const allowed[] = {
    "brk madvise mremap munmap",
    "close read recvfrom recvmsg shutdown write",
    "epoll_create1 epoll_ctl epoll_pwait epoll_wait poll ppoll ppoll_time64",
    "clock_gettime clock_gettime64 futex futex_time64 getrandom gettimeofday restart_syscall",
    "exit exit_group getpid rt_sigprocmask rt_sigreturn sched_yield sigaltstack sigreturn time",
};

/* Memory is never executable. */
static int
allow_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int r = call_filter_allow(filter, "mmap", 1, &not_executable);

    if (r == 0)
        r = call_filter_allow(filter, "mmap2", 1, &not_executable);
    return r < 0 ? r : call_filter_allow(filter, "mprotect", 1, &not_executable);
}

/* TCP only. A datagram needs an address, which send() does not have. */
static int
allow_sockets(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp is_stream = SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM);
    const struct scmp_arg_cmp is_default = SCMP_A2(SCMP_CMP_EQ, 0);
    const struct scmp_arg_cmp v4[] = {SCMP_A0(SCMP_CMP_EQ, AF_INET), is_stream, is_default};
    const struct scmp_arg_cmp v6[] = {SCMP_A0(SCMP_CMP_EQ, AF_INET6), is_stream, is_default};
    const struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_GE, CONFINE_FD_FIRST);
    const struct scmp_arg_cmp no_address = SCMP_A4(SCMP_CMP_EQ, 0);
    int r = call_filter_allow(filter, "socket", 3, v4);

    if (r == 0)
        r = call_filter_allow(filter, "socket", 3, v6);
    if (r == 0)
        r = call_filter_allow(filter, "connect", 1, &own);
    return r < 0 ? r : call_filter_allow(filter, "sendto", 1, &no_address);
}

static int
allow_options(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_delay[] = {SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP),
                                            SCMP_A2(SCMP_CMP_EQ, TCP_NODELAY)};
    const struct scmp_arg_cmp unsent[] = {SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP),
                                          SCMP_A2(SCMP_CMP_EQ, TCP_NOTSENT_LOWAT)};
    const struct scmp_arg_cmp keepalive[] = {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                             SCMP_A2(SCMP_CMP_EQ, SO_KEEPALIVE)};
    const struct scmp_arg_cmp receive[] = {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                           SCMP_A2(SCMP_CMP_EQ, SO_RCVBUF)};
    const struct scmp_arg_cmp send[] = {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                        SCMP_A2(SCMP_CMP_EQ, SO_SNDBUF)};
    const struct scmp_arg_cmp linger[] = {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                          SCMP_A2(SCMP_CMP_EQ, SO_LINGER)};
    const struct scmp_arg_cmp unacknowledged = SCMP_A1(SCMP_CMP_EQ, SIOCOUTQ);
    const struct scmp_arg_cmp error[] = {SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
                                         SCMP_A2(SCMP_CMP_EQ, SO_ERROR)};
    int r = call_filter_allow(filter, "setsockopt", 2, no_delay);

    if (r == 0)
        r = call_filter_allow(filter, "setsockopt", 2, unsent);
    if (r == 0)
        r = call_filter_allow(filter, "setsockopt", 2, keepalive);
    if (r == 0)
        r = call_filter_allow(filter, "setsockopt", 2, receive);
    if (r == 0)
        r = call_filter_allow(filter, "setsockopt", 2, send);
    if (r == 0)
        r = call_filter_allow(filter, "setsockopt", 2, linger);
    if (r == 0)
        r = call_filter_allow(filter, "ioctl", 1, &unacknowledged);
    return r < 0 ? r : call_filter_allow(filter, "getsockopt", 2, error);
}

/* --- the program --- */

static int
read_program(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    struct sock_filter *filter;

    if (size <= 0 || size % (off_t)sizeof *filter != 0)
        return -EIO;
    filter = g_malloc((gsize)size);
    if (pread(fd, filter, (gsize)size, 0) != size) {
        g_free(filter);
        return -EIO;
    }
    program.len = (unsigned short)((gsize)size / sizeof *filter);
    program.filter = filter;
    return 0;
}

static int export(scmp_filter_ctx filter)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);

    if (r == 0)
        r = read_program(fd);
    if (fd >= 0)
        close(fd);
    return r;
}

gboolean
confine_prepare(GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int r = filter ? call_filter_allow_groups(filter, allowed, G_N_ELEMENTS(allowed)) : -ENOMEM;

    if (r == 0)
        r = allow_memory(filter);
    if (r == 0)
        r = allow_sockets(filter);
    if (r == 0)
        r = allow_options(filter);
    if (r == 0)
        r = export(filter);
    if (filter)
        seccomp_release(filter);
    return r == 0 || util_set_errno(error, -r, "Cannot make the filter of system calls");
}

static gboolean
limit(int resource, rlim_t max)
{
    const struct rlimit value = {.rlim_cur = max, .rlim_max = max};
    struct rlimit now;

    if (getrlimit(resource, &now) == 0 && now.rlim_max < max)
        return TRUE;
    return setrlimit(resource, &value) == 0;
}

gboolean
confine_apply(void)
{
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
    if (!limit(RLIMIT_DATA, MEMORY_MAX))
        return FALSE;
#endif
    return limit(RLIMIT_NOFILE, FILES_MAX) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_CORE, 0) &&
           limit(RLIMIT_MEMLOCK, 0) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
