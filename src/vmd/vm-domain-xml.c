/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-domain-xml: a machine's description for libvirt.
 *
 * A template and the machines restored from it must have the same devices at the same addresses, so
 * one text serves both, and only three things differ: the mapping of RAM, "-incoming", and the
 * target of the serial console. Devices that wake up by themselves (USB, HPET, balloon, watchdogs
 * of the guest's kernel) are left out: an idle machine must use no processor time.
 */
#include "vm-domain-xml.h"

#include <string.h>

#define TRANSLATION_CACHE_MIB 128 /* without a bound QEMU grows to 1.5 GB and is no faster */
#define ENTROPY_BYTES_PER_SECOND 4096

/*
 * These options turn off what would wake an idle guest: the lockup detector (every four seconds),
 * memory compaction (twice a second) and memory statistics (each second).
 */
#define KERNEL_OPTIONS                                                                             \
    "console=ttyS0 quiet loglevel=1 panic=-1 nowatchdog sysctl.vm.compaction_proactiveness=0 "     \
    "sysctl.vm.stat_interval=60 transparent_hugepage=madvise"
/*
 * Emulation is not a security boundary, so mitigations protect nothing. The TSC is the host's, so
 * no other clock has to check it twice a second. Code at a new address is translated again: with
 * randomized addresses, starting a program takes four times as long.
 */
#define EMULATED_KERNEL_OPTIONS " mitigations=off tsc=reliable norandmaps"
/*
 * Under KVM the guest's clock is kvm-clock. Without the first option the kernel compares the TSC
 * with it twice a second, and finds it wrong after a pause, during which only the TSC advances. The
 * second option keeps kvm-clock on CPUs with an invariant TSC, which the kernel would prefer.
 */
#define KVM_KERNEL_OPTIONS " tsc=reliable clocksource=kvm-clock"

static void add(GString *xml, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Like g_string_append_printf(), but escapes each argument for XML. */
static void
add(GString *xml, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(xml, text);
}

/* The kernel of a restored machine runs already. Only QEMU's firmware reads the file. */
static void
add_kernel(GString *xml, const DomainPlan *plan)
{
    add(xml,
        "  <os>\n"
        "    <type arch='x86_64' machine='%s'>hvm</type>\n"
        "    <kernel>%s</kernel>\n",
        plan->facts->machine_type, plan->kernel);
    if (!plan->spec->state)
        add(xml,
            "    <initrd>%s</initrd>\n"
            "    <cmdline>" KERNEL_OPTIONS "%s%s%s</cmdline>\n",
            plan->spec->initrd,
            plan->facts->emulated ? EMULATED_KERNEL_OPTIONS : KVM_KERNEL_OPTIONS,
            plan->kernel_options ? " " : "", plan->kernel_options ? plan->kernel_options : "");
    g_string_append(xml, "  </os>\n");
}

/*
 * An emulated `rep movsb` moves single bytes, and a kernel and a libc that find ERMS use it to copy
 * and clear memory. FSRM means the same for short moves. Linux 6.1 hangs early in its boot on a CPU
 * that has FSRM without ERMS, which newer QEMUs would offer.
 */
static const char emulated_cpu[] = "  <cpu mode='maximum' check='none'>\n"
                                   "    <feature policy='disable' name='erms'/>\n"
                                   "    <feature policy='disable' name='fsrm'/>\n"
                                   "  </cpu>\n";
/*
 * The host's CPU, but without nested virtualization, which is the largest part of the host's kernel
 * that a hostile guest could reach. libvirt accepts both names on any host.
 */
static const char kvm_cpu[] = "  <cpu mode='host-model' check='partial'>\n"
                              "    <feature policy='disable' name='vmx'/>\n"
                              "    <feature policy='disable' name='svm'/>\n"
                              "  </cpu>\n";

/* Performance counters would show a guest what other guests do on the same processor. */
static void
add_features(GString *xml, const VmFacts *facts)
{
    g_string_append(xml, "  <features>\n"
                         "    <acpi/>\n"
                         "    <apic/>\n"
                         "    <vmport state='off'/>\n"
                         "    <smm state='off'/>\n");
    if (facts->emulated)
        add(xml, "    <tcg><tb-cache unit='MiB'>%d</tb-cache></tcg>\n", TRANSLATION_CACHE_MIB);
    else
        g_string_append(xml, "    <pmu state='off'/>\n");
    g_string_append(xml, "  </features>\n");
}

static void
add_cpu(GString *xml, const VmFacts *facts)
{
    add_features(xml, facts);
    g_string_append(xml, facts->emulated ? emulated_cpu : kvm_cpu);
    g_string_append(xml, "  <clock offset='utc'>\n"
                         "    <timer name='hpet' present='no'/>\n"
                         "  </clock>\n");
}

static void
add_disk(GString *xml, const DomainPlan *plan)
{
    const MachineSpec *spec = plan->spec;

    /* cache=unsafe: the overlay is deleted with its machine, so no flush has to reach the disk. */
    add(xml,
        "    <disk type='file' device='disk'>\n"
        "      <driver name='qemu' type='qcow2' cache='unsafe' discard='unmap'"
        " detect_zeroes='unmap'/>\n"
        "      <source file='%s'>\n",
        spec->disk);
    /* Otherwise libvirt would change the owner of the file and of the image that backs it. Where it
     * cannot, it does not know this model. */
    if (spec->user.uid == 0 && !plan->is_unprivileged)
        g_string_append(xml, "        <seclabel model='dac' relabel='no'/>\n");
    g_string_append(xml, "      </source>\n"
                         "      <target dev='vda' bus='virtio'/>\n"
                         "      <address type='pci' domain='0' bus='0' slot='2' function='0'/>\n"
                         "    </disk>\n");
}

static void
add_channel(GString *xml, const char *name, guint port, const char *socket)
{
    add(xml,
        "    <channel type='unix'>\n"
        "      <source mode='bind' path='%s'/>\n"
        "      <target type='virtio' name='%s'/>\n"
        "      <address type='virtio-serial' controller='0' bus='0' port='%u'/>\n"
        "    </channel>\n",
        socket, name, port);
}

static void
add_channels(GString *xml, const MachineSpec *spec)
{
    g_string_append(xml, "    <controller type='virtio-serial' index='0'>\n"
                         "      <address type='pci' domain='0' bus='0' slot='3' function='0'/>\n"
                         "    </controller>\n");
    add_channel(xml, "org.cloche.agent", 1, spec->socket);
    if (spec->net_socket)
        add_channel(xml, "org.cloche.net", 2, spec->net_socket);
}

/* A restored machine has no console file: its guest is hostile, and could fill the host's disk. */
static void
add_console(GString *xml, const MachineSpec *spec)
{
    if (spec->console && !spec->state)
        add(xml,
            "    <serial type='file'>\n"
            "      <source path='%s'/>\n"
            "      <target type='isa-serial' port='0'/>\n"
            "    </serial>\n",
            spec->console);
    else
        g_string_append(xml, "    <serial type='null'>\n"
                             "      <target type='isa-serial' port='0'/>\n"
                             "    </serial>\n");
}

static void
add_devices(GString *xml, const DomainPlan *plan)
{
    const MachineSpec *spec = plan->spec;

    g_string_append(xml, "  <devices>\n"
                         "    <controller type='usb' model='none'/>\n");
    if (spec->disk)
        add_disk(xml, plan);
    if (spec->socket)
        add_channels(xml, spec);
    add_console(xml, spec);
    add(xml,
        "    <rng model='virtio-non-transitional'>\n"
        "      <rate bytes='%d' period='1000'/>\n"
        "      <backend model='random'>/dev/urandom</backend>\n"
        "      <address type='pci' domain='0' bus='0' slot='4' function='0'/>\n"
        "    </rng>\n"
        "    <panic model='isa'/>\n"
        "    <memballoon model='none'/>\n"
        "    <video><model type='none'/></video>\n"
        "  </devices>\n",
        ENTROPY_BYTES_PER_SECOND);
}

/* Each machine has its own user. The owner of its files stays the same; access lists give that user
 * access. */
static void
add_user(GString *xml, const MachineUser *user)
{
    if (user->uid != 0)
        add(xml,
            "  <seclabel type='static' model='dac' relabel='no'>\n"
            "    <label>+%u:+%u</label>\n"
            "  </seclabel>\n",
            (unsigned)user->uid, (unsigned)user->gid);
}

/* A comma in the value of a QEMU option is written twice. */
static char *
option_value(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", /* max_tokens= */ -1);

    return g_strjoinv(",,", parts);
}

/*
 * libvirt cannot describe a private mapping of a file, so QEMU's own options define the memory
 * object. The later -machine overrides libvirt's, whose own object stays untouched. The object's id
 * is part of the saved state. It also removes the devices that q35 has by default and no guest of
 * ours uses: each is code of QEMU that a hostile guest could attack.
 */
static void
add_ram(GString *xml, const DomainPlan *plan)
{
    const MachineSpec *spec = plan->spec;
    g_autofree char *path = option_value(spec->ram);
    const char *sharing = "share=on";

    if (spec->state)
        sharing = plan->ram_read_only ? "share=off,readonly=on,rom=off" : "share=off";

    g_string_append(xml, "  <qemu:commandline>\n"
                         "    <qemu:arg value='-object'/>\n");
    add(xml,
        "    <qemu:arg value='memory-backend-file,id=cloche.ram,size=%" G_GUINT64_FORMAT
        "M,mem-path=%s,%s,merge=off,dump=off'/>\n",
        spec->memory_mib, path, sharing);
    g_string_append(
        xml, "    <qemu:arg value='-machine'/>\n"
             "    <qemu:arg value='memory-backend=cloche.ram,sata=off,smbus=off,i8042=off'/>\n");
    if (spec->state)
        g_string_append(xml, "    <qemu:arg value='-incoming'/>\n"
                             "    <qemu:arg value='defer'/>\n");
    g_string_append(xml, "  </qemu:commandline>\n");
}

/*
 * With this capability libvirt requests every property of the CPU one by one: 400 requests at each
 * start, four fifths of its time. Without it, libvirt requests only the few that it compares.
 */
static void
add_capabilities(GString *xml)
{
    g_string_append(xml, "  <qemu:capabilities>\n"
                         "    <qemu:del capability='cpu-unavailable-features'/>\n"
                         "  </qemu:capabilities>\n");
}

char *
domain_xml(const DomainPlan *plan)
{
    const MachineSpec *spec = plan->spec;
    GString *xml = g_string_new(NULL);

    add(xml,
        "<domain type='%s' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
        "  <name>%s</name>\n"
        "  <uuid>%s</uuid>\n"
        "  <memory unit='MiB'>%" G_GUINT64_FORMAT "</memory>\n"
        "  <memoryBacking><nosharepages/></memoryBacking>\n"
        "  <vcpu placement='static'>%u</vcpu>\n",
        g_str_equal(plan->facts->accelerator, "kvm") ? "kvm" : "qemu", spec->name, plan->uuid,
        spec->memory_mib, spec->vcpus);
    add_kernel(xml, plan);
    add_cpu(xml, plan->facts);
    g_string_append(xml, "  <on_poweroff>destroy</on_poweroff>\n"
                         "  <on_reboot>destroy</on_reboot>\n"
                         "  <on_crash>destroy</on_crash>\n");
    if (plan->in_slice)
        g_string_append(xml, "  <resource><partition>/cloche</partition></resource>\n");
    add_devices(xml, plan);
    add_user(xml, &spec->user);
    if (spec->ram)
        add_ram(xml, plan);
    add_capabilities(xml);
    g_string_append(xml, "</domain>\n");
    return g_string_free(xml, /* free_segment= */ FALSE);
}

char *
domain_definition(const VmFacts *facts)
{
    const MachineSpec spec = {.name = "",
                              .kernel = "",
                              .initrd = "",
                              .disk = "",
                              .ram = "",
                              .socket = "",
                              .net_socket = ""};
    const DomainPlan plan = {.spec = &spec, .facts = facts, .uuid = "", .kernel = ""};

    return domain_xml(&plan);
}
