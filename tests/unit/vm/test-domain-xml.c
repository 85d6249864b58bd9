/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-domain-xml: the domain XML has all that libvirt must know about a machine. */
#include <string.h>

#include "vm-domain-xml.h"

#define UUID "0c64b85f-8e1c-4f3a-9a38-0f9c1d2b3a4e"

static const VmFacts tcg = {.machine_type = "pc-q35-7.2", .accelerator = "tcg", .emulated = TRUE};
static const VmFacts kvm = {.machine_type = "pc-q35-8.2", .accelerator = "kvm"};

static MachineSpec
spec_of(const char *state)
{
    return (MachineSpec){.name = "cloche-a",
                         .kernel = "/i/kernel",
                         .initrd = "/i/initrd",
                         .disk = "/s/disk.qcow2",
                         .ram = "/t/ram",
                         .state = state,
                         .socket = "/run/a.sock",
                         .net_socket = "/run/a.net",
                         .console = "/s/console",
                         .vcpus = 2,
                         .memory_mib = 512};
}

static char *
xml_of(const MachineSpec *spec, const VmFacts *facts, const char *kernel_options,
       gboolean ram_read_only)
{
    DomainPlan plan = {.spec = spec,
                       .facts = facts,
                       .uuid = UUID,
                       .kernel = spec->kernel,
                       .kernel_options = kernel_options,
                       .ram_read_only = ram_read_only};

    return domain_xml(&plan);
}

static void
assert_has(const char *xml, const char *part)
{
    if (!strstr(xml, part))
        g_error("'%s' is not in:\n%s", part, xml);
}

static void
assert_lacks(const char *xml, const char *part)
{
    if (strstr(xml, part))
        g_error("'%s' is in:\n%s", part, xml);
}

static void
on_name(GMarkupParseContext *context, const char *element, const char **names, const char **values,
        gpointer data, GError **error)
{
    g_ptr_array_add(data, g_strdup(element));
}

/* All elements in turn; fails on what is not XML. */
static GPtrArray *
elements_of(const char *xml)
{
    static const GMarkupParser parser = {.start_element = on_name};
    GPtrArray *elements = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, 0, elements, /* destroy= */ NULL);
    GError *error = NULL;

    g_markup_parse_context_parse(context, xml, -1, &error);
    g_assert_no_error(error);
    g_markup_parse_context_end_parse(context, &error);
    g_assert_no_error(error);
    return elements;
}

static void
test_boot(void)
{
    MachineSpec spec = spec_of(NULL);
    g_autofree char *xml = xml_of(&spec, &tcg, NULL, /* ram_read_only= */ TRUE);
    g_autoptr(GPtrArray) elements = elements_of(xml);

    g_assert_cmpstr(g_ptr_array_index(elements, 0), ==, "domain");
    assert_has(xml, "<domain type='qemu' ");
    assert_has(xml, "<name>cloche-a</name>\n  <uuid>" UUID "</uuid>");
    assert_has(xml, "<memory unit='MiB'>512</memory>");
    assert_has(xml, "<vcpu placement='static'>2</vcpu>");
    assert_has(xml, "machine='pc-q35-7.2'>hvm<");
    assert_has(xml, "<initrd>/i/initrd</initrd>");
    assert_has(xml, " panic=-1 ");
    assert_has(xml, " mitigations=off tsc=reliable norandmaps</cmdline>");
    assert_has(xml, "<cpu mode='maximum' ");
    assert_has(xml, "<feature policy='disable' name='erms'/>");
    assert_has(xml, "<feature policy='disable' name='fsrm'/>");
    assert_has(xml, "<tb-cache unit='MiB'>128</tb-cache>");
    assert_has(xml, "<source mode='bind' path='/run/a.sock'/>\n"
                    "      <target type='virtio' name='org.cloche.agent'/>\n"
                    "      <address type='virtio-serial' controller='0' bus='0' port='1'/>");
    assert_has(xml, "<source mode='bind' path='/run/a.net'/>\n"
                    "      <target type='virtio' name='org.cloche.net'/>\n"
                    "      <address type='virtio-serial' controller='0' bus='0' port='2'/>");
    assert_has(xml, "<serial type='file'>\n      <source path='/s/console'/>");
    assert_has(xml, "'memory-backend-file,id=cloche.ram,size=512M,mem-path=/t/ram,share=on,");
    assert_has(xml, "'memory-backend=cloche.ram,sata=off,smbus=off,i8042=off'");
    assert_lacks(xml, "-incoming");
    assert_lacks(xml, "readonly=on");
}

static void
test_restore(void)
{
    MachineSpec spec = spec_of("/t/state");
    g_autofree char *xml = xml_of(&spec, &tcg, NULL, /* ram_read_only= */ FALSE);
    g_autofree char *read_only = xml_of(&spec, &tcg, NULL, /* ram_read_only= */ TRUE);

    assert_has(xml, "mem-path=/t/ram,share=off,merge=off");
    assert_has(xml, "<qemu:arg value='-incoming'/>\n    <qemu:arg value='defer'/>");
    assert_has(xml, "<serial type='null'>");
    assert_lacks(xml, "/s/console");
    assert_lacks(xml, "<initrd>");
    assert_lacks(xml, "readonly=on");
    assert_has(read_only, "mem-path=/t/ram,share=off,readonly=on,rom=off,merge=off");
}

/* The state of one is loaded by the other: from <devices> to the console, and behind it, all is the
 * same. */
static void
test_same_devices(void)
{
    MachineSpec boot = spec_of(NULL), restored = spec_of("/t/state");
    g_autofree char *a = xml_of(&boot, &tcg, NULL, FALSE);
    g_autofree char *b = xml_of(&restored, &tcg, NULL, FALSE);
    const char *a_devices = strstr(a, "<features>"), *b_devices = strstr(b, "<features>");
    const char *a_console = strstr(a, "<serial"), *b_console = strstr(b, "<serial");
    const char *a_rest = strstr(a, "<target type='isa-serial'");
    const char *b_rest = strstr(b, "<target type='isa-serial'");
    const char *a_end = strstr(a, "</devices>"), *b_end = strstr(b, "</devices>");

    g_assert_cmpmem(a_devices, (gsize)(a_console - a_devices), b_devices,
                    (gsize)(b_console - b_devices));
    g_assert_cmpmem(a_rest, (gsize)(a_end - a_rest), b_rest, (gsize)(b_end - b_rest));
}

static void
test_user(void)
{
    MachineSpec own = spec_of("/t/state"), libvirts = spec_of("/t/state");

    own.user = (MachineUser){.uid = 1900000007, .gid = 64055};
    g_autofree char *xml = xml_of(&own, &tcg, NULL, FALSE);
    g_autofree char *without = xml_of(&libvirts, &tcg, NULL, FALSE);
    g_autoptr(GPtrArray) elements = elements_of(xml);

    g_assert_cmpuint(elements->len, >, 10);
    assert_has(xml, "<seclabel type='static' model='dac' relabel='no'>\n"
                    "    <label>+1900000007:+64055</label>\n  </seclabel>");
    /* One label for all of it is enough: no file is made over to anybody. */
    g_assert_null(strstr(strstr(xml, "<seclabel") + 1, "<seclabel"));
    assert_lacks(xml, "relabel='yes'");
    assert_has(without, "<seclabel model='dac' relabel='no'/>");
    assert_lacks(without, "<label>");
}

/* libvirt that is not root has no such model. */
static void
test_unprivileged(void)
{
    const MachineSpec spec = spec_of("/t/state");
    const DomainPlan plan = {
        .spec = &spec, .facts = &tcg, .uuid = UUID, .kernel = "/i/kernel", .is_unprivileged = TRUE};
    g_autofree char *xml = domain_xml(&plan);

    assert_has(xml, "<disk ");
    assert_lacks(xml, "seclabel");
}

/* Numbers beyond what is signed are users, too. */
static void
test_user_bounds(void)
{
    MachineSpec spec = spec_of(NULL);

    spec.user = (MachineUser){.uid = 4294967294, .gid = 4294967293};
    g_autofree char *xml = xml_of(&spec, &tcg, NULL, FALSE);

    assert_has(xml, "<label>+4294967294:+4294967293</label>");
}

static void
test_slice(void)
{
    MachineSpec spec = spec_of(NULL);
    DomainPlan plan = {.spec = &spec, .facts = &tcg, .uuid = UUID, .kernel = "/i/kernel"};
    g_autofree char *outside = domain_xml(&plan);

    plan.in_slice = TRUE;
    g_autofree char *inside = domain_xml(&plan);
    g_autoptr(GPtrArray) elements = elements_of(inside);

    g_assert_cmpuint(elements->len, >, 10);
    assert_has(inside, "<resource><partition>/cloche</partition></resource>");
    assert_lacks(outside, "<resource>");
}

/* A template is kept by it: it tells nothing of a user or of where a machine is put. */
/* Machines of tests without this port. */
static void
test_no_net(void)
{
    MachineSpec spec = spec_of(NULL);
    g_autofree char *xml = NULL;

    spec.net_socket = NULL;
    xml = xml_of(&spec, &tcg, NULL, FALSE);
    assert_has(xml, "org.cloche.agent");
    assert_lacks(xml, "org.cloche.net");
}

static void
test_definition(void)
{
    g_autofree char *emulated = domain_definition(&tcg), *real = domain_definition(&kvm);

    g_assert_cmpstr(emulated, !=, real);
    assert_has(emulated, "machine='pc-q35-7.2'>hvm<");
    assert_has(emulated, "<name></name>\n  <uuid></uuid>");
    assert_lacks(emulated, "<label>");
    assert_lacks(emulated, "<resource>");
}

/* Counts a word of the kernel's command line, whole. */
static guint
count_word(const char *xml, const char *word)
{
    g_autofree char *line = g_strndup(
        strstr(xml, "<cmdline>") + strlen("<cmdline>"),
        (gsize)(strstr(xml, "</cmdline>") - strstr(xml, "<cmdline>")) - strlen("<cmdline>"));
    g_auto(GStrv) words = g_strsplit(line, " ", /* max_tokens= */ -1);
    guint count = 0;

    for (char **w = words; *w; w++)
        count += g_str_equal(*w, word);
    return count;
}

/* What each accelerator's machines have, of which some is dangerous or slow for the other's. */
static void
test_accelerators(void)
{
    static const struct {
        const char *part;
        gboolean in_tcg, in_kvm;
    } parts[] = {
        {"<domain type='qemu' ", TRUE, FALSE},
        {"<domain type='kvm' ", FALSE, TRUE},
        {"<cpu mode='maximum' check='none'>", TRUE, FALSE},
        {"<cpu mode='host-model' check='partial'>", FALSE, TRUE},
        {"<feature policy='disable' name='erms'/>", TRUE, FALSE},
        {"<feature policy='disable' name='fsrm'/>", TRUE, FALSE},
        {"<feature policy='disable' name='vmx'/>", FALSE, TRUE},
        {"<feature policy='disable' name='svm'/>", FALSE, TRUE},
        {"<tb-cache ", TRUE, FALSE},
        {"<tcg>", TRUE, FALSE},
        {"<pmu state='off'/>", FALSE, TRUE},
        {"policy='require'", FALSE, FALSE},
        {"host-passthrough", FALSE, FALSE},
    };
    MachineSpec boot = spec_of(NULL), restored = spec_of("/t/state");

    for (guint i = 0; i < 2; i++) {
        const MachineSpec *spec = i == 0 ? &boot : &restored;
        g_autofree char *emulated = xml_of(spec, &tcg, NULL, FALSE);
        g_autofree char *real = xml_of(spec, &kvm, NULL, FALSE);

        for (gsize j = 0; j < G_N_ELEMENTS(parts); j++) {
            (parts[j].in_tcg ? assert_has : assert_lacks)(emulated, parts[j].part);
            (parts[j].in_kvm ? assert_has : assert_lacks)(real, parts[j].part);
        }
    }
}

static void
test_kernel_options(void)
{
    static const struct {
        const char *word;
        guint in_tcg, in_kvm;
    } words[] = {
        {"console=ttyS0", 1, 1},
        {"panic=-1", 1, 1},
        {"nowatchdog", 1, 1},
        {"sysctl.vm.compaction_proactiveness=0", 1, 1},
        {"sysctl.vm.stat_interval=60", 1, 1},
        {"transparent_hugepage=madvise", 1, 1},
        {"tsc=reliable", 1, 1},
        {"mitigations=off", 1, 0},
        {"norandmaps", 1, 0},
        {"clocksource=kvm-clock", 0, 1},
        {"cloche.probe", 0, 0},
    };
    MachineSpec spec = spec_of(NULL);
    g_autofree char *emulated = xml_of(&spec, &tcg, NULL, FALSE);
    g_autofree char *real = xml_of(&spec, &kvm, NULL, FALSE);

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_test_message("%s", words[i].word);
        g_assert_cmpuint(count_word(emulated, words[i].word), ==, words[i].in_tcg);
        g_assert_cmpuint(count_word(real, words[i].word), ==, words[i].in_kvm);
    }
    assert_lacks(real, "mitigations");
    assert_lacks(real, "nokaslr");
}

static void
test_probe(void)
{
    MachineSpec spec = {
        .name = "p", .kernel = "/k", .initrd = "/i", .console = "/c", .vcpus = 1, .memory_mib = 64};
    g_autofree char *xml = xml_of(&spec, &kvm, "cloche.probe", FALSE);
    g_autoptr(GPtrArray) elements = elements_of(xml);

    g_assert_cmpuint(elements->len, >, 10);
    assert_has(xml, " cloche.probe</cmdline>");
    assert_lacks(xml, "<disk ");
    assert_lacks(xml, "<channel ");
    assert_lacks(xml, "cloche.ram");
}

static void
test_escapes(void)
{
    MachineSpec spec = spec_of("/t/state");

    spec.disk = "/s/it's <a> & \"b\"";
    spec.ram = "/t/a,b<c";
    g_autofree char *xml = xml_of(&spec, &tcg, "a<b", FALSE);
    g_autoptr(GPtrArray) elements = elements_of(xml);

    g_assert_cmpuint(elements->len, >, 10);
    assert_has(xml, "<source file='/s/it&apos;s &lt;a&gt; &amp; &quot;b&quot;'>");
    assert_has(xml, "mem-path=/t/a,,b&lt;c,share=off");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/domain-xml/boot", test_boot);
    g_test_add_func("/vm/domain-xml/restore", test_restore);
    g_test_add_func("/vm/domain-xml/same-devices", test_same_devices);
    g_test_add_func("/vm/domain-xml/user", test_user);
    g_test_add_func("/vm/domain-xml/unprivileged", test_unprivileged);
    g_test_add_func("/vm/domain-xml/user-bounds", test_user_bounds);
    g_test_add_func("/vm/domain-xml/slice", test_slice);
    g_test_add_func("/vm/domain-xml/no-net", test_no_net);
    g_test_add_func("/vm/domain-xml/definition", test_definition);
    g_test_add_func("/vm/domain-xml/accelerators", test_accelerators);
    g_test_add_func("/vm/domain-xml/kernel-options", test_kernel_options);
    g_test_add_func("/vm/domain-xml/probe", test_probe);
    g_test_add_func("/vm/domain-xml/escapes", test_escapes);
    return g_test_run();
}
