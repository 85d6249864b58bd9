/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * confine: a seccomp filter and two capabilities less.
 *
 * Nobody but the agent runs in real time: who does keeps the processor from whoever is not above.
 *
 * The agent takes them upon itself, once it has loaded its own modules: to install a filter in each
 * child would take milliseconds of every start, under emulation.
 */
#include "confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/capability.h>

static const char *const refused[] = {
    "kexec_load",    "kexec_file_load", "init_module", "finit_module",
    "delete_module", "sched_setattr", /* which has its policy where a filter cannot look */
};
static const int real_time[] = {SCHED_FIFO, SCHED_RR};
static const cap_value_t dropped[] = {CAP_SYS_MODULE, CAP_SYS_RAWIO};
/* A machine's other ways into the same kernel. Unknown ones are refused by libseccomp. */
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
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1); /* no mitigation that costs speed */
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
