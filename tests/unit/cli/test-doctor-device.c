/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-device: 'cloche doctor' decides who may open /dev/kvm: machines, the group kvm, and
 * the caller. */
#include <acl/libacl.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "doctor-kvm.h"
#include "doctor-tree.h"

#define UNIT "/usr/lib/systemd/system/cloched.service"
#define KVM 107
#define LIBVIRT_QEMU 64055
#define OTHER 4242

static const Processor intel = {"vmx", TRUE};
static const Processor none = {NULL, TRUE};
static const Processor unknown = {NULL, FALSE};

/* --- access lists --- */

/* `refusal`: the text of the refusal, or NULL if access is permitted. */
static void
assert_access(const char *list, uid_t uid, const gid_t *groups, gsize n_groups, const char *refusal)
{
    acl_t acl = acl_from_text(list);
    const Opener opener = {uid, groups, n_groups};
    g_autofree char *found = NULL;

    g_assert_nonnull(acl);
    found = device_refusal(acl, /* owner= */ 0, KVM, &opener);
    g_assert_cmpstr(found, ==, refusal);
    acl_free(acl);
}

static void
test_access_of_groups(void)
{
    static const gid_t machine[] = {LIBVIRT_QEMU};
    static const gid_t kvm[] = {KVM};
    static const gid_t both[] = {LIBVIRT_QEMU, KVM};
    static const gid_t other[] = {OTHER};

    /* the correct list: machines and the group kvm have access */
    assert_access("u::rw,g::rw,g:64055:rw,m::rw,o::-", 5, machine, 1, NULL);
    assert_access("u::rw,g::rw,g:64055:rw,m::rw,o::-", 5, kvm, 1, NULL);
    assert_access("u::rw,g::rw,g:64055:rw,m::rw,o::-", 5, other, 1, "it has ---");
    assert_access("u::rw,g::rw,g:64055:rw,m::rw,o::-", 5, NULL, 0, "it has ---");
    /* after a reboot: udev's permissions alone */
    assert_access("u::rw,g::rw,o::-", 5, machine, 1, "it has ---");
    assert_access("u::rw,g::rw,o::-", 5, kvm, 1, NULL);
    /* the list was set before udev set the mode */
    assert_access("u::rw,g::-,g:64055:rw,m::rw,o::-", 5, machine, 1, NULL);
    assert_access("u::rw,g::-,g:64055:rw,m::rw,o::-", 5, kvm, 1, "it has ---");
    /* an entry or a mask with only one of the two permissions is not enough */
    assert_access("u::rw,g::rw,g:64055:r,m::rw,o::-", 5, machine, 1, "it has r--");
    assert_access("u::rw,g::rw,g:64055:w,m::rw,o::-", 5, machine, 1, "it has -w-");
    assert_access("u::rw,g::rw,g:64055:rw,m::r,o::-", 5, machine, 1,
                  "it has r--, because the mask limits it");
    assert_access("u::rw,g::rw,g:64055:rw,m::-,o::-", 5, kvm, 1,
                  "it has ---, because the mask limits it");
    /* a group's entry takes precedence over that of others; one permitted group is enough */
    assert_access("u::rw,g::-,o::rw", 5, kvm, 1, "it has ---");
    assert_access("u::rw,g::-,o::rw", 5, machine, 1, NULL);
    assert_access("u::rw,g::r,g:64055:rw,m::rw,o::-", 5, both, 2, NULL);
    assert_access("u::rw,g::rw,g:64055:r,m::rw,o::-", 5, both, 2, NULL);
    assert_access("u::rw,g::r,g:64055:w,m::rw,o::-", 5, both, 2, "it has r--");
}

static void
test_access_of_users(void)
{
    static const gid_t kvm[] = {KVM};

    assert_access("u::rw,g::-,o::-", 0, NULL, 0, NULL);
    assert_access("u::r,g::rw,o::rw", 0, kvm, 1, "it has r--");
    assert_access("u::rw,u:5:rw,g::-,m::rw,o::-", 5, NULL, 0, NULL);
    assert_access("u::rw,u:5:rw,g::-,m::rw,o::-", 6, NULL, 0, "it has ---");
    assert_access("u::rw,u:5:r,g::rw,m::rw,o::-", 5, kvm, 1, "it has r--");
    assert_access("u::rw,u:5:rw,g::rw,m::r,o::-", 5, kvm, 1,
                  "it has r--, because the mask limits it");
}

/* --- the check --- */

static Device
make_device(const char *list)
{
    return (Device){
        .mode = S_IFCHR | 0660, .number = makedev(10, 232), .gid = KVM, .acl = acl_from_text(list)};
}

static Tree *
tree_with_groups(void)
{
    Tree *tree = tree_new();

    tree_write(tree, UNIT, "");
    tree_write(tree, "/etc/passwd", "root:x:0:0::/:/\n");
    tree_write(tree, "/etc/group", "root:x:0:\nkvm:x:107:\nlibvirt-qemu:x:64055:\nthem:x:4242:\n");
    return tree;
}

static void
check(Tree *tree, const Processor *processor, const char *list)
{
    static const gid_t groups[] = {KVM};
    const Opener self = {1000, groups, 1};
    g_auto(Device) device = make_device(list);

    doctor_check_device(&tree->host, tree->report, processor, &device, &self);
}

static void
check_as(Tree *tree, gid_t group, const char *list)
{
    const Opener self = {1000, &group, 1};
    g_auto(Device) device = make_device(list);

    doctor_check_device(&tree->host, tree->report, &intel, &device, &self);
}

/* Checks the last finding, which is about the group kvm. */
static void
assert_kvm_group(Tree *tree, Verdict verdict, const char *text, const char *action)
{
    g_ptr_array_remove_index(tree->report->findings, 0);
    assert_finding(tree, verdict, "group kvm", text, action);
}

/* Checks the first finding, which is about the device. */
static void
assert_device(Tree *tree, Verdict verdict, const char *text, const char *action)
{
    g_ptr_array_set_size(tree->report->findings, 1);
    assert_finding(tree, verdict, "/dev/kvm", text, action);
}

#define GOOD "u::rw,g::rw,g:64055:rw,m::rw,o::-"
#define REBOOTED "u::rw,g::rw,o::-"
#define TOO_EARLY "u::rw,g::-,g:64055:rw,m::rw,o::-"

static void
test_machines(void)
{
    g_autoptr(Tree) tree = tree_with_groups();

    check(tree, &intel, GOOD);
    assert_device(tree, VERDICT_OK, "(group libvirt-qemu) may open it (u::rw-", NULL);
    check(tree, &intel, GOOD);
    assert_kvm_group(tree, VERDICT_OK, "may open", NULL);
    check(tree, &intel, REBOOTED);
    assert_device(tree, VERDICT_PROBLEM,
                  "(group libvirt-qemu) may not open it: it has --- (u::rw-,g::rw-,o::--- of root, "
                  "group kvm)",
                  "systemd-tmpfiles --create --prefix=/dev/kvm cloche.conf");
    tree_remove(tree, UNIT);
    check(tree, &intel, REBOOTED);
    assert_device(tree, VERDICT_PROBLEM, "may not open it",
                  "setfacl -m g::rw,g:libvirt-qemu:rw /dev/kvm");
    check(tree, &intel, TOO_EARLY);
    assert_kvm_group(tree, VERDICT_WARNING, "may not open /dev/kvm: it has ---", "setfacl");
}

/* Missing access is a problem only if KVM can be expected to work. */
static void
test_severity(void)
{
    g_autoptr(Tree) tree = tree_with_groups();

    check(tree, &none, REBOOTED);
    assert_device(tree, VERDICT_WARNING, "may not open it", "systemd-tmpfiles");
    check(tree, &unknown, REBOOTED);
    assert_device(tree, VERDICT_PROBLEM, "may not open it", "systemd-tmpfiles");
}

/* The group of the RAM folder shows [Machines] Group=. */
static void
test_other_group(void)
{
    g_autoptr(Tree) tree = tree_with_groups();
    g_autofree char *ram = tree_path(tree, "/run/cloche/ram");

    tree_make_folder(tree, "/run/cloche/ram");
    if (chown(ram, (uid_t)-1, 0) == 0) {
        check(tree, &intel, GOOD);
        assert_device(tree, VERDICT_OK, "libvirt-qemu", NULL);
    }
    g_assert_cmpint(chown(ram, (uid_t)-1, OTHER), ==, 0);
    check(tree, &intel, GOOD);
    assert_device(tree, VERDICT_PROBLEM, "(group them) may not", "g:them:rw /dev/kvm");
    g_assert_cmpint(chown(ram, (uid_t)-1, KVM), ==, 0);
    check(tree, &intel, REBOOTED);
    assert_device(tree, VERDICT_OK, "(group kvm) may", NULL);
}

static void
test_rule(void)
{
    g_autoptr(Tree) tree = tree_with_groups();

    tree_remove(tree, UNIT);
    tree_make_folder(tree, "/run/systemd/system");
    check(tree, &intel, GOOD);
    g_assert_cmpuint(tree->report->findings->len, ==, 2);
    tree_write(tree, UNIT, "");
    g_ptr_array_set_size(tree->report->findings, 0);
    check(tree, &intel, GOOD);
    g_ptr_array_remove_range(tree->report->findings, 0, 2);
    assert_finding(tree, VERDICT_WARNING, "udev rule", "until the service is restarted",
                   "meson install");
    tree_write(tree, "/usr/local/lib/udev/rules.d/70-cloche-kvm.rules", "");
    check(tree, &intel, GOOD);
    g_assert_cmpuint(tree->report->findings->len, ==, 2);
    tree_remove(tree, "/usr/local/lib/udev");
    tree_remove(tree, "/run/systemd");
    g_ptr_array_set_size(tree->report->findings, 0);
    check(tree, &intel, GOOD);
    g_assert_cmpuint(tree->report->findings->len, ==, 2);
}

static void
test_no_groups(void)
{
    g_autoptr(Tree) tree = tree_with_groups();

    tree_write(tree, "/etc/group", "root:x:0:\n");
    check(tree, &intel, GOOD);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "libvirt-qemu, does not exist",
                   "apt install libvirt-daemon-system");
}

static void
test_own_user(void)
{
    g_autoptr(Tree) tree = tree_with_groups();

    tree->host.of_user = TRUE;
    check(tree, &intel, REBOOTED);
    assert_finding(tree, VERDICT_OK, "/dev/kvm", "you may open it", NULL);
    check(tree, &intel, TOO_EARLY);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "you may not open it: it has ---",
                   "setfacl -m u:USER:rw");
    tree_write(tree, "/etc/group", "other:x:107:\n");
    check_as(tree, OTHER, REBOOTED);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "you may not open it: it has ---",
                   "adduser USER other");
}

static void
test_block_device(void)
{
    g_autoptr(Tree) tree = tree_with_groups();
    const Opener self = {1000, NULL, 0};
    g_auto(Device) device = make_device(GOOD);

    device.mode = S_IFBLK | 0660;
    doctor_check_device(&tree->host, tree->report, &intel, &device, &self);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "not the device of KVM", "rm /dev/kvm");
}

static void
check_tree(Tree *tree, const Processor *processor)
{
    const Opener self = {1000, NULL, 0};
    g_auto(Device) device = {0};

    device_read(&tree->host, &device);
    doctor_check_device(&tree->host, tree->report, processor, &device, &self);
}

static void
test_no_device(void)
{
    g_autoptr(Tree) tree = tree_with_groups();

    check_tree(tree, &intel);
    assert_silent(tree); /* another check reports the missing module */
    tree_make_folder(tree, "/sys/class/misc/kvm");
    check_tree(tree, &intel);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "the device is missing",
                   "modprobe -r kvm_intel kvm; modprobe kvm_intel");
    check_tree(tree, &none);
    assert_finding(tree, VERDICT_WARNING, "/dev/kvm", "the device is missing", "container");
    tree_write(tree, "/dev", "no folder");
    check_tree(tree, &intel);
    assert_finding(tree, VERDICT_UNKNOWN, "/dev/kvm", "Not a directory", "ls -l /dev/kvm");
}

static void
test_other_node(void)
{
    g_autoptr(Tree) tree = tree_with_groups();
    g_autofree char *path = tree_path(tree, "/dev/kvm");

    tree_write(tree, "/dev/kvm", "");
    check_tree(tree, &intel);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "not the device of KVM", "rm /dev/kvm");
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(symlink("/dev/null", path), ==, 0);
    check_tree(tree, &intel);
    assert_finding(tree, VERDICT_PROBLEM, "/dev/kvm", "10:232", "rm /dev/kvm");
}

/* Mode, owner and access list are read from the file. */
static void
test_read(void)
{
    g_autoptr(Tree) tree = tree_with_groups();
    g_autofree char *path = tree_path(tree, "/dev/kvm");
    g_auto(Device) plain = {0}, listed = {0};
    acl_t acl = acl_from_text(GOOD);

    tree_write(tree, "/dev/kvm", "");
    g_assert_cmpint(chmod(path, 0640), ==, 0);
    g_assert_cmpint(chown(path, (uid_t)-1, KVM), ==, 0);
    device_read(&tree->host, &plain);
    g_assert_cmpint(plain.errnum, ==, 0);
    g_assert_cmpuint(plain.gid, ==, KVM);
    g_assert_cmpint(acl_equiv_mode(plain.acl, &(mode_t){0}), ==, 0);
    g_assert_cmpint(acl_set_file(path, ACL_TYPE_ACCESS, acl), ==, 0);
    device_read(&tree->host, &listed);
    g_assert_cmpint(acl_cmp(listed.acl, acl), ==, 0);
    acl_free(acl);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-device/access-of-groups", test_access_of_groups);
    g_test_add_func("/cli/doctor-device/access-of-users", test_access_of_users);
    g_test_add_func("/cli/doctor-device/machines", test_machines);
    g_test_add_func("/cli/doctor-device/severity", test_severity);
    g_test_add_func("/cli/doctor-device/other-group", test_other_group);
    g_test_add_func("/cli/doctor-device/rule", test_rule);
    g_test_add_func("/cli/doctor-device/no-groups", test_no_groups);
    g_test_add_func("/cli/doctor-device/own-user", test_own_user);
    g_test_add_func("/cli/doctor-device/no-device", test_no_device);
    g_test_add_func("/cli/doctor-device/other-node", test_other_node);
    g_test_add_func("/cli/doctor-device/block-device", test_block_device);
    g_test_add_func("/cli/doctor-device/read", test_read);
    return g_test_run();
}
