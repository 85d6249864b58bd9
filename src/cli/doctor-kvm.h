/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-kvm: whether this host can run machines with hardware virtualization. */
#pragma once

#include <sys/acl.h>

#include "doctor-host.h"

typedef struct {
    const char *flag;  /* "vmx" or "svm"; NULL: the processor has no hardware virtualization */
    gboolean is_known; /* FALSE: nobody can tell */
} Processor;

/* Looks at the flags of the first processor in /proc/cpuinfo; cloche needs what that has. */
Processor doctor_check_processor(const Host *host, Report *report);

/* Whether the kernel has KVM. Silent where the processor has no virtualization and there is none.
 */
void doctor_check_modules(const Host *host, Report *report, const Processor *processor);

/* --- /dev/kvm --- */

typedef struct __acl_ext DoctorAcl;

typedef struct {
    int errnum; /* 0: it is there */
    mode_t mode;
    dev_t number;
    uid_t uid;
    gid_t gid;
    DoctorAcl *acl; /* NULL: it cannot be read */
} Device;

void device_clear(Device *device);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Device, device_clear)

void device_read(const Host *host, Device *ret_device);

/* Who wants to open it. */
typedef struct {
    uid_t uid;
    const gid_t *groups;
    gsize n_groups;
} Opener;

/*
 * Why somebody may not read and write a file with this list: "it has r--", with the reason; NULL
 * when they may. As the kernel decides (acl(5)), for users without privileges.
 */
char *device_refusal(DoctorAcl *acl, uid_t owner, gid_t group, const Opener *opener);

/*
 * Whether machines may open it, that is their group, or with of_user `self`; and whether the group
 * kvm, to which it belongs, still may. The machines' group is that of the RAM folder.
 */
void doctor_check_device(const Host *host, Report *report, const Processor *processor,
                         const Device *device, const Opener *self);
