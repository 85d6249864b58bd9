/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: a seccomp filter and two capabilities less.
 *
 * libseccomp compiles the filter when the agent starts; a child only hands the program to the
 * kernel, which is all that a start has time for.
 */
#include "confine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILTER_MAX 512u

static const char *const refused[] = {
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
};
static const cap_value_t dropped[] = {CAP_SYS_MODULE, CAP_SYS_RAWIO};
/* A machine's other ways into the same kernel. Unknown ones are refused by libseccomp. */
static const uint32_t second_abis[] = {SCMP_ARCH_X86, SCMP_ARCH_X32};

static struct sock_filter instructions[FILTER_MAX];
static struct sock_fprog program = {.filter = instructions};

static int
add_rules(scmp_filter_ctx filter)
{
    int r = 0;

    if (seccomp_arch_native() == SCMP_ARCH_X86_64)
        for (size_t i = 0; r == 0 && i < sizeof second_abis / sizeof *second_abis; i++)
            r = seccomp_arch_add(filter, second_abis[i]);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    for (size_t i = 0; r == 0 && i < sizeof refused / sizeof *refused; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                             seccomp_syscall_resolve_name(refused[i]), 0);
    return r;
}

/* libseccomp writes the program to a descriptor only. */
static int
export_program(scmp_filter_ctx filter)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;

    int r = seccomp_export_bpf(filter, fd);
    ssize_t n = r < 0 ? 0 : pread(fd, instructions, sizeof instructions, 0);
    close(fd);
    if (r < 0)
        return r;
    if (n <= 0 || n == (ssize_t)sizeof instructions)
        return -E2BIG;
    program.len = (unsigned short)((size_t)n / sizeof *instructions);
    return 0;
}

int
confine_prepare(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return -ENOMEM;

    int r = add_rules(filter);
    if (r == 0)
        r = export_program(filter);
    seccomp_release(filter);
    return r;
}

int
confine_apply(void)
{
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (cap_drop_bound(dropped[i]) < 0)
            return -errno;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
        return -errno;
    return 0;
}
