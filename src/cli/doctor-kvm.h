/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-kvm: whether this host can run machines with hardware virtualization. */
#pragma once

#include <sys/acl.h>

#include "doctor-host.h"

typedef struct {
    const char *flag;  /* "vmx" or "svm"; NULL: the processor has no hardware virtualization */
    gboolean is_known; /* FALSE: it could not be determined */
} Processor;

/* Checks the flags of the first processor in /proc/cpuinfo. */
Processor doctor_check_processor(const DoctorHost *host, Report *report);

/* Checks whether the kernel has KVM. Reports nothing if it has none and the processor has no
 * virtualization. */
void doctor_check_modules(const DoctorHost *host, Report *report, const Processor *processor);

/* --- /dev/kvm --- */

typedef struct __acl_ext DoctorAcl;

typedef struct {
    int errnum; /* 0: the device exists */
    mode_t mode;
    dev_t number;
    uid_t uid;
    gid_t gid;
    DoctorAcl *acl; /* NULL: it cannot be read */
} Device;

void device_clear(Device *device);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Device, device_clear)

void device_read(const DoctorHost *host, Device *ret_device);

/* A process that opens the device. */
typedef struct {
    uid_t uid;
    const gid_t *groups;
    gsize n_groups;
} Opener;

/*
 * Returns why an opener may not read and write a file with this access list, such as "it has r--",
 * or NULL if it may. Decides as the kernel does (acl(5)) for users without privileges.
 */
char *device_refusal(DoctorAcl *acl, uid_t owner, gid_t group, const Opener *opener);

/*
 * Checks whether machines may open the device: their group, or with of_user `self`; and whether the
 * owning group kvm still may. The machines' group is the group of the RAM folder.
 */
void doctor_check_device(const DoctorHost *host, Report *report, const Processor *processor,
                         const Device *device, const Opener *self);
