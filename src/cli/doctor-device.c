/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor-device: who may open /dev/kvm.
 *
 * The doctor does not open it: machines run as other users, and opening a device node may load a
 * module.
 */
#include <acl/libacl.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "doctor-kvm.h"

#define NAME_DEVICE "/dev/kvm"
#define KVM_MAJOR 10 /* the kernel's Documentation/admin-guide/devices.txt */
#define KVM_MINOR 232
#define MACHINES_GROUP "libvirt-qemu" /* [Machines] Group=, unless set */
#define RULE "70-cloche-kvm.rules"
#define APPLY_ACL "systemd-tmpfiles --create --prefix=/dev/kvm cloche.conf"

void
device_clear(Device *device)
{
    if (device->acl != NULL)
        acl_free(device->acl);
    device->acl = NULL;
}

void
device_read(const DoctorHost *host, Device *ret_device)
{
    g_autofree char *path = host_path(host, NAME_DEVICE);
    struct stat status;

    *ret_device = (Device){0};
    if (stat(path, &status) < 0) {
        ret_device->errnum = errno;
        return;
    }
    ret_device->mode = status.st_mode;
    ret_device->number = status.st_rdev;
    ret_device->uid = status.st_uid;
    ret_device->gid = status.st_gid;
    ret_device->acl = acl_get_file(path, ACL_TYPE_ACCESS);
    if (ret_device->acl == NULL) /* the file system has no access lists */
        ret_device->acl = acl_from_mode(status.st_mode);
}

/* --- access lists --- */

typedef enum {
    MAY_READ = 1,
    MAY_WRITE = 2,
    MAY_BOTH = 3,
} May;

static May
entry_may(acl_entry_t entry)
{
    acl_permset_t set;

    if (acl_get_permset(entry, &set) < 0)
        return 0;
    return (acl_get_perm(set, ACL_READ) == 1 ? MAY_READ : 0) |
           (acl_get_perm(set, ACL_WRITE) == 1 ? MAY_WRITE : 0);
}

/* The number of a named entry. */
static guint32
entry_number(acl_entry_t entry)
{
    guint32 *qualifier = acl_get_qualifier(entry);
    guint32 number = qualifier != NULL ? *qualifier : G_MAXUINT32;

    acl_free(qualifier);
    return number;
}

static gboolean
is_in(const Opener *opener, gid_t group)
{
    for (gsize i = 0; i < opener->n_groups; i++)
        if (opener->groups[i] == group)
            return TRUE;
    return FALSE;
}

/* The permissions of an opener, class by class. */
typedef struct {
    May of_owner, of_user, of_group, of_other, mask;
    gboolean has_user, has_group;
} Classes;

/* If several groups have entries, one that grants all permissions is sufficient. */
static void
note_group(Classes *classes, May may)
{
    if (!classes->has_group || (may & classes->mask) == MAY_BOTH)
        classes->of_group = may;
    classes->has_group = TRUE;
}

static void
note_entry(Classes *classes, acl_entry_t entry, acl_tag_t tag, gid_t group, const Opener *opener)
{
    May may = entry_may(entry);

    if (tag == ACL_USER_OBJ)
        classes->of_owner = may;
    else if (tag == ACL_OTHER)
        classes->of_other = may;
    else if (tag == ACL_GROUP_OBJ && is_in(opener, group))
        note_group(classes, may);
    else if (tag == ACL_GROUP && is_in(opener, entry_number(entry)))
        note_group(classes, may);
    else if (tag == ACL_USER && entry_number(entry) == opener->uid) {
        classes->of_user = may;
        classes->has_user = TRUE;
    }
}

static void
for_each_entry(DoctorAcl *acl, Classes *classes, gid_t group, const Opener *opener,
               gboolean wants_mask)
{
    acl_entry_t entry;
    acl_tag_t tag;

    for (int which = ACL_FIRST_ENTRY; acl_get_entry(acl, which, &entry) == 1;
         which = ACL_NEXT_ENTRY) {
        if (acl_get_tag_type(entry, &tag) < 0)
            continue;
        if (!wants_mask)
            note_entry(classes, entry, tag, group, opener);
        else if (tag == ACL_MASK)
            classes->mask = entry_may(entry);
    }
}

static char *
describe_refusal(May may, May mask)
{
    May left = may & mask;

    return g_strdup_printf("it has %c%c-%s", left & MAY_READ ? 'r' : '-',
                           left & MAY_WRITE ? 'w' : '-',
                           left != may ? ", because the mask limits it" : "");
}

char *
device_refusal(DoctorAcl *acl, uid_t owner, gid_t group, const Opener *opener)
{
    Classes classes = {.mask = MAY_BOTH};
    May may, mask = MAY_BOTH;

    for_each_entry(acl, &classes, group, opener, /* wants_mask= */ TRUE);
    for_each_entry(acl, &classes, group, opener, /* wants_mask= */ FALSE);
    if (opener->uid == owner) {
        may = classes.of_owner;
    } else if (classes.has_user || classes.has_group) {
        may = classes.has_user ? classes.of_user : classes.of_group;
        mask = classes.mask;
    } else {
        may = classes.of_other;
    }
    return (may & mask) == MAY_BOTH ? NULL : describe_refusal(may, mask);
}

/* --- the verdict --- */

/* "u::rw-,g::rw-,g:libvirt-qemu:rw-,m::rw-,o::--- of root, group kvm" */
static char *
describe_permissions(const DoctorHost *host, const Device *device)
{
    g_autofree char *user = host_user_name(host, device->uid);
    g_autofree char *group = host_group_name(host, device->gid);
    char *list = acl_to_any_text(device->acl, /* prefix= */ NULL, ',', TEXT_ABBREVIATE);
    char *text = g_strdup_printf("%s of %s, group %s", list, user, group);

    acl_free(list);
    return text;
}

/* Without virtualization, machines are emulated, so access to the device does not matter. */
static Verdict
severity(const Processor *processor)
{
    return processor->is_known && processor->flag == NULL ? VERDICT_WARNING : VERDICT_PROBLEM;
}

static void
report_missing(Report *report, const Processor *processor)
{
    const char *module = g_strcmp0(processor->flag, "svm") == 0 ? "kvm_amd" : "kvm_intel";

    report_add(report, severity(processor), NAME_DEVICE,
               "the kernel has KVM, but the device is missing");
    if (processor->flag != NULL)
        report_advise(report,
                      "reload the module: modprobe -r %s kvm; modprobe %s; a container must get "
                      "the device from its host",
                      module, module);
    else
        report_advise(report, "nothing, unless this is a container: then its host must give it "
                              "the device");
}

static gboolean
check_node(const DoctorHost *host, Report *report, const Processor *processor, const Device *device)
{
    if (device->errnum == 0) {
        if (S_ISCHR(device->mode) && device->number == makedev(KVM_MAJOR, KVM_MINOR))
            return TRUE;
        report_add(report, severity(processor), NAME_DEVICE,
                   "it is not the device of KVM, number %d:%d", KVM_MAJOR, KVM_MINOR);
        report_advise(report, "rm /dev/kvm, and reload the module of KVM");
    } else if (device->errnum != ENOENT) {
        errno = device->errnum;
        host_report_unreadable(host, report, NAME_DEVICE, NAME_DEVICE);
    } else if (host_has(host, "/sys/class/misc/kvm")) {
        report_missing(report, processor);
    } /* otherwise the check of the modules has reported it */
    return FALSE;
}

/* The machines' group: it is the group of the RAM folder. */
static gboolean
find_machines_group(const DoctorHost *host, HostGroup *ret_group)
{
    g_autofree char *path = host_path(host, host->ram);
    struct stat status;

    if (stat(path, &status) < 0 || status.st_gid == 0)
        return host_find_group(host, MACHINES_GROUP, ret_group);
    *ret_group = (HostGroup){.name = host_group_name(host, status.st_gid), .gid = status.st_gid};
    return TRUE;
}

/* A uid that no user of this host has, like a machine's. */
#define STRANGER ((uid_t) - 2)

static char *
refusal_of_group(const Device *device, gid_t gid)
{
    const Opener opener = {.uid = STRANGER, .groups = &gid, .n_groups = 1};

    return device_refusal(device->acl, device->uid, device->gid, &opener);
}

static void
check_self(const DoctorHost *host, Report *report, const Processor *processor, const Device *device,
           const Opener *self)
{
    g_autofree char *refusal = device_refusal(device->acl, device->uid, device->gid, self);
    g_autofree char *group_refusal = refusal_of_group(device, device->gid);
    g_autofree char *group = host_group_name(host, device->gid);
    g_autofree char *permissions = describe_permissions(host, device);

    if (refusal == NULL || self->uid == 0) {
        report_add(report, VERDICT_OK, NAME_DEVICE, "you may open it (%s)", permissions);
        return;
    }
    report_add(report, severity(processor), NAME_DEVICE, "you may not open it: %s (%s)", refusal,
               permissions);
    if (device->gid != 0 && group_refusal == NULL)
        report_advise(report, "as root: adduser USER %s (for your user); then log in again", group);
    else
        report_advise(report, "as root: setfacl -m u:USER:rw /dev/kvm (for your user), after each "
                              "boot");
}

static void
check_machines(const DoctorHost *host, Report *report, const Processor *processor,
               const Device *device)
{
    g_autofree char *permissions = describe_permissions(host, device);
    g_autofree char *refusal = NULL;
    g_auto(HostGroup) group = {0};

    if (!find_machines_group(host, &group)) {
        report_add(report, VERDICT_PROBLEM, NAME_DEVICE,
                   "the group of machines, " MACHINES_GROUP ", does not exist");
        report_advise(report, "apt install libvirt-daemon-system; Group= in [Machines] of "
                              "cloched.conf sets another group");
        return;
    }
    refusal = refusal_of_group(device, group.gid);
    if (refusal == NULL) {
        report_add(report, VERDICT_OK, NAME_DEVICE, "machines (group %s) may open it (%s)",
                   group.name, permissions);
        return;
    }
    report_add(report, severity(processor), NAME_DEVICE,
               "machines (group %s) may not open it: %s (%s)", group.name, refusal, permissions);
    if (g_str_equal(group.name, MACHINES_GROUP) && host_has_unit(host))
        report_advise(report, "as root: %s; systemctl restart cloched", APPLY_ACL);
    else
        report_advise(report, "as root: setfacl -m g::rw,g:%s:rw /dev/kvm, after each boot",
                      group.name);
}

/* The access list that cloche adds must not withdraw permissions: a wrong mask does, and so does a
 * list that was set before the mode. */
static void
check_kvm_group(const DoctorHost *host, Report *report, const Device *device)
{
    g_auto(HostGroup) kvm = {0};
    g_autofree char *refusal = NULL;

    if (!host_find_group(host, "kvm", &kvm))
        return;
    refusal = refusal_of_group(device, kvm.gid);
    if (refusal == NULL) {
        report_add(report, VERDICT_OK, "group kvm", "its members may open /dev/kvm");
        return;
    }
    report_add(report, VERDICT_WARNING, "group kvm",
               "its members may not open /dev/kvm: %s; other programs that use KVM fail", refusal);
    report_advise(report, "as root: chgrp kvm /dev/kvm; setfacl -m g::rw /dev/kvm");
}

/* Without the rule, the access list is lost when the node is created: at boot and whenever the
 * module is loaded. */
static void
check_rule(const DoctorHost *host, Report *report)
{
    static const char *const folders[] = {"/etc/udev/rules.d/",           "/run/udev/rules.d/",
                                          "/usr/local/lib/udev/rules.d/", "/usr/lib/udev/rules.d/",
                                          "/lib/udev/rules.d/",           NULL};

    if (!host_has_systemd(host) || !host_has_unit(host) || host_has_in(host, folders, RULE))
        return;
    report_add(report, VERDICT_WARNING, "udev rule",
               RULE " is not installed: when the module of KVM is reloaded, machines may not open "
                    "/dev/kvm until the service is restarted");
    report_advise(report, "reinstall cloche: meson install -C build, or sudo ./quickstart.sh");
}

void
doctor_check_device(const DoctorHost *host, Report *report, const Processor *processor,
                    const Device *device, const Opener *self)
{
    if (!check_node(host, report, processor, device))
        return;
    if (host->of_user) {
        check_self(host, report, processor, device, self);
        return;
    }
    check_machines(host, report, processor, device);
    check_kvm_group(host, report, device);
    check_rule(host, report);
}
