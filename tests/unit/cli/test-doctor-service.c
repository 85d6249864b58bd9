/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-doctor-service: 'cloche doctor' reports each state of the service. */
#include "doctor-service.h"
#include "doctor-tree.h"

#define UNIT "/usr/local/lib/systemd/system/cloched.service"
#define MIB ((guint64)1024 * 1024)

/* Parses the text format of GVariant. */
static GVariant *
parse(const char *type, const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE(type), text, NULL, NULL, &error);

    g_assert_no_error(error);
    return value;
}

/* --- the service --- */

static void
check_service(Tree *tree, const ServiceFacts *facts, Verdict verdict, const char *text,
              const char *action)
{
    doctor_check_service(&tree->host, tree->report, facts);
    assert_finding(tree, verdict, "service", text, action);
}

static void
test_no_bus(void)
{
    g_autoptr(Tree) tree = tree_new();
    const ServiceFacts facts = {.bus_error = (char *)"it is gone"};

    check_service(tree, &facts, VERDICT_PROBLEM, "the system bus cannot be reached: it is gone",
                  "quickstart.sh env");
    tree_make_folder(tree, "/run/systemd/system");
    check_service(tree, &facts, VERDICT_PROBLEM, "system bus", "systemctl start dbus");
    tree->host.of_user = TRUE;
    check_service(tree, &facts, VERDICT_PROBLEM, "the session bus", "dbus-run-session");
}

static void
test_not_running(void)
{
    g_autoptr(Tree) tree = tree_new();
    ServiceFacts facts = {0};

    check_service(tree, &facts, VERDICT_PROBLEM, "is not installed", "sudo ./quickstart.sh");
    tree_make_folder(tree, "/run/systemd/system");
    check_service(tree, &facts, VERDICT_PROBLEM, "is not installed", "sudo ./quickstart.sh");
    tree_write(tree, UNIT, "");
    check_service(tree, &facts, VERDICT_WARNING, "first call", "systemctl start cloched");
    facts.unit_state = (char *)"inactive";
    facts.unit_file_state = (char *)"disabled";
    check_service(tree, &facts, VERDICT_WARNING, "first call", "systemctl start cloched");
    facts.unit_state = (char *)"failed";
    check_service(tree, &facts, VERDICT_PROBLEM, "is failed", "journalctl -u cloched");
    facts.unit_state = (char *)"activating";
    check_service(tree, &facts, VERDICT_PROBLEM, "is activating", "journalctl -u cloched");
    facts.unit_file_state = (char *)"masked";
    check_service(tree, &facts, VERDICT_PROBLEM, "masked", "systemctl unmask cloched");
    facts.unit_file_state = (char *)"masked-runtime";
    check_service(tree, &facts, VERDICT_PROBLEM, "masked", "unmask --runtime cloched");
    tree_remove(tree, "/run/systemd");
    check_service(tree, &facts, VERDICT_PROBLEM, "PID 1 is not systemd", "quickstart.sh");
    tree->host.of_user = TRUE;
    check_service(tree, &facts, VERDICT_WARNING, "session bus", "cloched --user");
}

static void
test_running(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_auto(ServiceFacts) facts = {.is_on_bus = TRUE, .uid = 990, .pid = 42};

    facts.properties = parse("a{sv}", "{'Version': <'9.9'>}");
    tree_write(tree, "/etc/passwd", "cloche:x:990:991::/:/\n");
    check_service(tree, &facts, VERDICT_OK, "cloched 9.9 runs", NULL);
    facts.has_owner = TRUE;
    check_service(tree, &facts, VERDICT_OK, "process 42 of the user cloche", NULL);
    facts.call_error = g_strdup("Timeout");
    check_service(tree, &facts, VERDICT_PROBLEM, "does not answer: Timeout", "restart cloched");
}

/* --- its user --- */

static void
check_user(Tree *tree, Verdict verdict, const char *text, const char *action)
{
    const ServiceFacts facts = {0};

    doctor_check_user(&tree->host, tree->report, &facts);
    assert_finding(tree, verdict, "user", text, action);
}

static Tree *
tree_with_unit(void)
{
    Tree *tree = tree_new();

    tree_make_folder(tree, "/run/systemd/system");
    tree_write(tree, UNIT, "");
    return tree;
}

static void
test_user(void)
{
    g_autoptr(Tree) tree = tree_with_unit();

    check_user(tree, VERDICT_PROBLEM, "the user cloche does not exist", "systemd-sysusers");
    tree_write(tree, "/etc/passwd", "cloche:x:990:64055::/:/\n");
    check_user(tree, VERDICT_PROBLEM, "the group libvirt-qemu does not exist",
               "libvirt-daemon-system");
    tree_write(tree, "/etc/group", "libvirt-qemu:x:64055:\n");
    check_user(tree, VERDICT_PROBLEM, "the user cloche-vm does not exist", "systemd-sysusers");
    tree_write(tree, "/etc/passwd", "cloche:x:990:64055::/:/\ncloche-vm:x:991:64055::/:/\n");
    check_user(tree, VERDICT_PROBLEM, "the group libvirt does not exist", "libvirt-daemon-system");
    tree_write(tree, "/etc/group", "libvirt:x:106:other\nlibvirt-qemu:x:64055:\n");
    check_user(tree, VERDICT_PROBLEM, "cloche-vm is not in the group libvirt",
               "adduser cloche-vm libvirt");
    tree_write(tree, "/etc/group", "libvirt:x:106:other,cloche-vm\nlibvirt-qemu:x:64055:\n");
    check_user(tree, VERDICT_OK, "cloche is in the group libvirt-qemu only", NULL);
    tree_write(tree, "/etc/group", "libvirt:x:106:cloche,cloche-vm\nlibvirt-qemu:x:64055:\n");
    check_user(tree, VERDICT_PROBLEM, "cloche is in the group libvirt, whose members can become",
               "deluser cloche libvirt");
    tree_write(tree, "/etc/group", "libvirt:x:106:cloche-vm\nlibvirt-qemu:x:64056:\n");
    check_user(tree, VERDICT_PROBLEM, "cloche is not in the group libvirt-qemu",
               "cloche libvirt-qemu");
    tree_remove(tree, "/etc/passwd");
    tree_make_folder(tree, "/etc/passwd");
    check_user(tree, VERDICT_UNKNOWN, "/etc/passwd cannot be read", "ls -l");
}

static void
assert_no_user_check(Tree *tree, const ServiceFacts *facts)
{
    doctor_check_user(&tree->host, tree->report, facts);
    assert_silent(tree);
}

/* A service that does not run as the unit runs as another user. */
static void
test_other_user(void)
{
    g_autoptr(Tree) tree = tree_with_unit();
    ServiceFacts facts = {.is_on_bus = TRUE};

    assert_no_user_check(tree, &facts);
    facts.unit_state = (char *)"inactive";
    assert_no_user_check(tree, &facts);
    facts.unit_state = (char *)"active";
    doctor_check_user(&tree->host, tree->report, &facts);
    assert_finding(tree, VERDICT_PROBLEM, "user", "the user cloche does not exist",
                   "systemd-sysusers");
    tree->host.of_user = TRUE;
    assert_no_user_check(tree, &facts);
    tree->host.of_user = FALSE;
    facts.is_on_bus = FALSE;
    tree_remove(tree, "/run/systemd");
    assert_no_user_check(tree, &facts);
    tree_make_folder(tree, "/run/systemd/system");
    tree_remove(tree, UNIT);
    assert_no_user_check(tree, &facts);
}

/* --- the accelerator --- */

static void
check_accelerator(const char *properties, gboolean has_virtualization, Verdict verdict,
                  const char *text, const char *action)
{
    g_autoptr(Tree) tree = tree_new();
    g_auto(ServiceFacts) facts = {.is_on_bus = TRUE};

    facts.properties = parse("a{sv}", properties);
    facts.templates = parse("aa{sv}", "[{'name': <'a'>}]");
    doctor_check_accelerator(tree->report, &facts, has_virtualization);
    assert_finding(tree, verdict, "accelerator", text, action);
}

static void
test_accelerator(void)
{
    g_autoptr(Tree) tree = tree_new();
    const ServiceFacts nothing = {0};

    doctor_check_accelerator(tree->report, &nothing, TRUE);
    assert_silent(tree);
    check_accelerator("{'Accelerator': <'kvm'>, 'Emulated': <false>, 'AccelerationError': <''>}",
                      TRUE, VERDICT_OK, "kvm", NULL);
    check_accelerator("{'Accelerator': <''>, 'Emulated': <false>}", TRUE, VERDICT_UNKNOWN,
                      "determining", "in a minute");
    check_accelerator("{'Accelerator': <''>, 'AccelerationError': <'no permission'>}", TRUE,
                      VERDICT_PROBLEM, "KVM does not work: no permission", "tries again");
    check_accelerator("{'Accelerator': <'tcg'>, 'Emulated': <true>, 'AccelerationError': <'x y'>}",
                      TRUE, VERDICT_PROBLEM,
                      "although the processor has hardware virtualization: "
                      "x y",
                      "restart cloched");
    check_accelerator("{'Accelerator': <'tcg'>, 'Emulated': <true>}", TRUE, VERDICT_PROBLEM,
                      "does not report why", "restart cloched");
    check_accelerator("{'Accelerator': <'tcg'>, 'Emulated': <true>, 'AccelerationError': <'x'>}",
                      FALSE, VERDICT_WARNING, "not a security boundary", "AllowEmulation=no");
    check_accelerator("{'Accelerator': <7>, 'Emulated': <'yes'>}", TRUE, VERDICT_UNKNOWN,
                      "determining", "in a minute");
}

/* Without an image, KVM is not tried, and the check of the templates reports that. */
static void
test_no_image(void)
{
    g_autoptr(Tree) tree = tree_new();
    g_auto(ServiceFacts) facts = {.is_on_bus = TRUE};

    facts.properties = parse("a{sv}", "{'Accelerator': <''>}");
    facts.templates = parse("aa{sv}", "[]");
    doctor_check_accelerator(tree->report, &facts, TRUE);
    assert_silent(tree);
}

static void
test_has_accelerator(void)
{
    g_auto(ServiceFacts) facts = {0};

    g_assert_false(service_has_accelerator(&facts));
    facts.properties = parse("a{sv}", "{'Accelerator': <''>}");
    g_assert_false(service_has_accelerator(&facts));
    g_variant_unref(facts.properties);
    facts.properties = parse("a{sv}", "{'Accelerator': <'tcg'>}");
    g_assert_true(service_has_accelerator(&facts));
}

/* --- templates --- */

static void
check_template(const char *templates, Verdict verdict, const char *name, const char *text,
               const char *action)
{
    g_autoptr(Tree) tree = tree_new();
    g_auto(ServiceFacts) facts = {.is_on_bus = TRUE};

    facts.templates = parse("aa{sv}", templates);
    doctor_check_templates(tree->report, &facts);
    assert_finding(tree, verdict, name, text, action);
}

static void
test_templates(void)
{
    g_autoptr(Tree) tree = tree_new();
    const ServiceFacts nothing = {0};

    doctor_check_templates(tree->report, &nothing);
    assert_silent(tree);
    check_template("[]", VERDICT_PROBLEM, "templates", "no image", "quickstart.sh");
    check_template("[{'name': <'a'>, 'state': <'ready'>}]", VERDICT_OK, "template a", "ready",
                   NULL);
    check_template("[{'name': <'a'>, 'state': <'failed'>, 'error': <'disk full'>}]",
                   VERDICT_PROBLEM, "template a", "disk full", "journalctl");
    check_template("[{'name': <'a'>, 'state': <'preparing'>, 'progress': <0.4>, 'step': <'x'>}]",
                   VERDICT_UNKNOWN, "template a", "preparing 40 %: x", "cloche status");
    check_template("[{'state': <3>}]", VERDICT_UNKNOWN, "template ", "0 %", "cloche status");
}

static void
assert_needs(const char *templates, guint64 largest, guint64 all)
{
    g_auto(ServiceFacts) facts = {0};
    Needs needs;

    facts.templates = templates != NULL ? parse("aa{sv}", templates) : NULL;
    needs = service_needs(&facts);
    g_assert_cmpuint(needs.largest, ==, largest);
    g_assert_cmpuint(needs.all, ==, all);
}

static void
test_needs(void)
{
    assert_needs(NULL, NEEDS_OF_SHIPPED, NEEDS_OF_SHIPPED);
    assert_needs("[]", NEEDS_OF_SHIPPED, NEEDS_OF_SHIPPED);
    assert_needs("[{'memory-mib': <'x'>}]", NEEDS_OF_SHIPPED, NEEDS_OF_SHIPPED);
    assert_needs("[{'memory-mib': <uint64 256>}]", 256 * MIB, 256 * MIB);
    assert_needs("[{'memory-mib': <uint64 256>}, {'memory-mib': <uint64 512>}, {}]", 512 * MIB,
                 768 * MIB);
    assert_needs("[{'memory-mib': <uint64 18446744073709551615>}]", G_MAXUINT32 * MIB,
                 G_MAXUINT32 * MIB);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/doctor-service/no-bus", test_no_bus);
    g_test_add_func("/cli/doctor-service/not-running", test_not_running);
    g_test_add_func("/cli/doctor-service/running", test_running);
    g_test_add_func("/cli/doctor-service/user", test_user);
    g_test_add_func("/cli/doctor-service/other-user", test_other_user);
    g_test_add_func("/cli/doctor-service/accelerator", test_accelerator);
    g_test_add_func("/cli/doctor-service/no-image", test_no_image);
    g_test_add_func("/cli/doctor-service/has-accelerator", test_has_accelerator);
    g_test_add_func("/cli/doctor-service/templates", test_templates);
    g_test_add_func("/cli/doctor-service/needs", test_needs);
    return g_test_run();
}
