/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: installs a seccomp filter and drops two capabilities.
 *
 * Only the agent runs with real-time priority, because such a process starves those of lower
 * priority.
 *
 * The agent confines itself after it has loaded its modules. Installing a filter in each child
 * would take milliseconds of each start under emulation.
 */
#include "confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/capability.h>

static const char *const refused[] = {
    "kexec_load",    "kexec_file_load", "init_module", "finit_module",
    "delete_module", "sched_setattr", /* a filter cannot read its policy, which is in memory */
};
static const int real_time[] = {SCHED_FIFO, SCHED_RR};
static const cap_value_t dropped[] = {CAP_SYS_MODULE, CAP_SYS_RAWIO};
/* The other system call interfaces of the kernel. libseccomp denies unknown ones. */
static const uint32_t second_abis[] = {SCMP_ARCH_X86, SCMP_ARCH_X32};

static int
add_rules(scmp_filter_ctx filter)
{
    int r = 0;

    if (seccomp_arch_native() == SCMP_ARCH_X86_64)
        for (size_t i = 0; r == 0 && i < sizeof second_abis / sizeof *second_abis; i++)
            r = seccomp_arch_add(filter, second_abis[i]);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB,
                             1); /* do not enable a mitigation that slows programs down */
    for (size_t i = 0; r == 0 && i < sizeof refused / sizeof *refused; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
                             seccomp_syscall_resolve_name(refused[i]), 0);
    for (size_t i = 0; r == 0 && i < sizeof real_time / sizeof *real_time; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sched_setscheduler), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, (uint32_t)~SCHED_RESET_ON_FORK,
                                     (scmp_datum_t)real_time[i]));
    return r;
}

int
confine_all(void)
{
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (cap_drop_bound(dropped[i]) < 0)
            return -errno;

    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return -ENOMEM;
    int r = add_rules(filter);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}
