/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-probe: which accelerator works, and what a template's state will depend on.
 *
 * That libvirt offers KVM means only that QEMU could open the device. Whether a guest lives there
 * is tried, with the very kernel that the templates use. A guest that says nothing within the
 * bound counts like one that dies. The reason goes with the facts, and the core decides what comes
 * of it.
 */
#include "vm-probe.h"
#include "vm-domain-xml.h"

#include <string.h>
#include <sys/utsname.h>

#include "error.h"
#include "vm-error.h"
#include "vm-kvm.h"
#include "vm-libvirt.h"

#define TRY_TIMEOUT_S 30
#define TRY_MEMORY_MIB 256
#define READ_ONLY_RAM_VERSION 8002000 /* QEMU 8.2.0, as libvirt counts */
#define DIGEST_CHARS 12

typedef struct {
    LibvirtVm *vm;
    char *kernel;
    char *initrd;
    char *console;
    MachineUser user;

    VmFacts kvm; /* strings owned; accelerator is NULL when libvirt offers no KVM */
    VmFacts tcg;
    gboolean ram_read_only;
    char *why_not; /* KVM does not work; NULL: it does */

    guint timeout;
    GSource *cancelled;
    Machine *machine; /* while it is being tried */
} Probe;

void
vm_facts_clear(VmFacts *facts)
{
    g_free((char *)facts->hypervisor);
    g_free((char *)facts->machine_type);
    g_free((char *)facts->cpu_model);
    g_free((char *)facts->host);
    g_free((char *)facts->definition);
    g_free((char *)facts->kvm_error);
    *facts = (VmFacts){0};
}

static void
probe_free(Probe *probe)
{
    vm_facts_clear(&probe->kvm);
    vm_facts_clear(&probe->tcg);
    g_free(probe->kernel);
    g_free(probe->initrd);
    g_free(probe->console);
    g_free(probe->why_not);
    g_free(probe);
}

/* --- words --- */

char *
probe_between(const char *text, const char *before, const char *after)
{
    const char *begin = strstr(text, before), *end;

    if (!begin)
        return NULL;
    begin += strlen(before);
    end = strstr(begin, after);
    return end ? g_strndup(begin, (gsize)(end - begin)) : NULL;
}

char *
probe_cpu_model(const char *capabilities)
{
    g_autofree char *mode = probe_between(capabilities, "<mode name='host-model'", "</mode>");
    g_autofree char *model = mode ? probe_between(mode, "<model ", "</model>") : NULL;
    const char *name = model ? strchr(model, '>') : NULL;
    g_autofree char *digest = NULL;

    if (!name)
        return NULL;
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, mode, /* length= */ -1);
    return g_strdup_printf("%s %.*s", name + 1, DIGEST_CHARS, digest);
}

char *
probe_hypervisor(const char *version_output)
{
    g_autofree char *version = probe_between(version_output, "QEMU emulator version ", "\n");

    return version ? g_strconcat("QEMU ", version, NULL) : NULL;
}

char *
probe_host(const char *release, const char *version, const char *cpuinfo)
{
    g_autofree char *microcode = probe_between(cpuinfo, "microcode\t: ", "\n");

    return g_strdup_printf("Linux %s %s, microcode %s", release, version,
                           microcode ? microcode : "unknown");
}

/*
 * Emulated, the CPU is QEMU's own invention, but its clock runs at the host's rate, which a guest
 * measures once, when it boots.
 */
static char *
emulated_cpu_model(const char *cpuinfo)
{
    g_autofree char *name = probe_between(cpuinfo, "model name\t: ", "\n");

    return g_strconcat("maximum on ", name ? name : "an unnamed processor", NULL);
}

static gboolean
has_virtualization(void)
{
    g_autofree char *info = NULL;

    return g_file_get_contents("/proc/cpuinfo", &info, /* length= */ NULL, /* error= */ NULL) &&
           kvm_is_promised(info);
}

/* --- facts, in a worker --- */

static char *
ask_hypervisor(const char *emulator, GError **error)
{
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *output = NULL;
    char *hypervisor = NULL;

    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, error, emulator, "--version", NULL);
    if (!process || !g_subprocess_communicate_utf8(process, /* stdin= */ NULL,
                                                   /* cancellable= */ NULL, &output,
                                                   /* stderr= */ NULL, error))
        return NULL;
    if (output)
        hypervisor = probe_hypervisor(output);
    if (!hypervisor)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "'%s' does not tell its version",
                    emulator);
    return hypervisor;
}

/* What the processor tells about itself and the host's kernel about both. */
static void
fill_host(VmFacts *facts, const char *capabilities)
{
    g_autofree char *info = NULL;
    const char *cpuinfo = "";
    struct utsname kernel;

    if (g_file_get_contents("/proc/cpuinfo", &info, /* length= */ NULL, /* error= */ NULL))
        cpuinfo = info;
    uname(&kernel);
    facts->cpu_model =
        facts->emulated ? emulated_cpu_model(cpuinfo) : probe_cpu_model(capabilities);
    facts->host =
        facts->emulated ? g_strdup("") : probe_host(kernel.release, kernel.version, cpuinfo);
}

static gboolean
fill_facts(VmFacts *facts, const char *capabilities, GError **error)
{
    g_autofree char *emulator = probe_between(capabilities, "<path>", "</path>");

    fill_host(facts, capabilities);
    facts->machine_type = probe_between(capabilities, "<machine>", "</machine>");
    if (!emulator || !facts->machine_type || !facts->cpu_model) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                    "libvirt's capabilities lack the emulator, machine type or CPU model");
        return FALSE;
    }
    facts->definition = domain_definition(facts);
    facts->hypervisor = ask_hypervisor(emulator, error);
    return facts->hypervisor != NULL;
}

static char *
ask_capabilities(virConnectPtr connection, const char *type)
{
    return virConnectGetDomainCapabilities(connection, /* emulator= */ NULL, "x86_64", "q35", type,
                                           /* flags= */ 0);
}

gboolean
vm_ask_facts(virConnectPtr connection, const VmFacts *known, VmFacts *ret, GError **error)
{
    g_autofree char *capabilities = ask_capabilities(connection, known->emulated ? "qemu" : "kvm");
    VmFacts facts = {.accelerator = known->accelerator, .emulated = known->emulated};

    if (!capabilities)
        return vm_error_set(error, "cannot ask for QEMU's capabilities");
    if (!fill_facts(&facts, capabilities, error)) {
        vm_facts_clear(&facts);
        return FALSE;
    }
    *ret = facts;
    return TRUE;
}

static void
note_failure(Probe *probe, const char *text)
{
    g_free(probe->why_not);
    probe->why_not = kvm_reason(text);
}

static void
collect_kvm_facts(Probe *probe, virConnectPtr connection)
{
    g_autofree char *capabilities = ask_capabilities(connection, "kvm");
    g_autoptr(GError) error = NULL;

    if (capabilities) {
        probe->kvm.accelerator = "kvm";
        fill_facts(&probe->kvm, capabilities, &error);
    } else {
        vm_error_set(&error, "libvirt offers no KVM");
    }
    if (error)
        note_failure(probe, probe->vm->embed.no_kvm ? probe->vm->embed.no_kvm : error->message);
}

static gboolean
collect_facts(Probe *probe, GError **error)
{
    g_autoptr(virConnect) connection = vm_connect(probe->vm, error);
    g_autofree char *tcg = NULL;
    unsigned long version = 0;

    if (!connection)
        return FALSE;
    tcg = ask_capabilities(connection, "qemu");
    if (!tcg || virConnectGetVersion(connection, &version) < 0)
        return vm_error_set(error, "cannot ask for QEMU's capabilities");
    probe->ram_read_only = version >= READ_ONLY_RAM_VERSION;
    probe->tcg.accelerator = "tcg";
    probe->tcg.emulated = TRUE;
    if (!fill_facts(&probe->tcg, tcg, error))
        return FALSE;

    collect_kvm_facts(probe, connection);
    return TRUE;
}

static void
run_facts(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);
    GError *error = NULL;

    if (collect_facts(probe, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

/* --- the try, in the main context --- */

static void
finish(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);
    VmFacts *facts = probe->why_not ? &probe->tcg : &probe->kvm;

    facts->kvm_error = g_steal_pointer(&probe->why_not);
    facts->has_virtualization = has_virtualization();
    vm_facts_clear(&probe->vm->facts);
    probe->vm->facts = *facts;
    probe->vm->ram_read_only = probe->ram_read_only;
    *facts = (VmFacts){0};
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void
on_destroyed(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Probe *probe = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;

    if (!machine_destroy_finish(&probe->vm->base, result, &error))
        g_warning("%s", error->message);
    finish(task);
}

static void
end_try(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);

    g_clear_handle_id(&probe->timeout, g_source_remove);
    if (probe->cancelled)
        g_source_destroy(probe->cancelled);
    g_clear_pointer(&probe->cancelled, g_source_unref);
    machine_destroy_async(g_steal_pointer(&probe->machine), on_destroyed, task);
}

static gboolean
on_timeout(gpointer data)
{
    GTask *task = data;
    Probe *probe = g_task_get_task_data(task);

    probe->timeout = 0;
    note_failure(probe,
                 "a guest under KVM gave no sign of life within " G_STRINGIFY(TRY_TIMEOUT_S) " s");
    end_try(task);
    return G_SOURCE_REMOVE;
}

/* The service stops, and does not wait for the guest. */
static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    note_failure(g_task_get_task_data(data), "the try was cancelled");
    end_try(data);
    return G_SOURCE_REMOVE;
}

static void
on_ended(Machine *machine, MachineEnd how, gpointer data)
{
    GTask *task = data;
    const char *why_not = kvm_end_reason(how);

    if (why_not)
        note_failure(g_task_get_task_data(task), why_not);
    end_try(task);
}

static void
watch_cancellable(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);
    GCancellable *cancellable = g_task_get_cancellable(task);

    if (!cancellable)
        return;
    probe->cancelled = g_cancellable_source_new(cancellable);
    g_source_set_callback(probe->cancelled, G_SOURCE_FUNC((void (*)(void))on_cancelled), task,
                          /* notify= */ NULL);
    g_source_attach(probe->cancelled, /* context= */ NULL);
}

/* It has no disk that could be full. */
static const MachineEvents events = {.ended = on_ended};

static void
on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Probe *probe = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    int fd;

    probe->machine = vm_start_finish(&probe->vm->base, result, &fd, &error);
    if (!probe->machine) {
        note_failure(probe, error->message);
        finish(task);
        return;
    }
    probe->timeout = g_timeout_add_seconds(TRY_TIMEOUT_S, on_timeout, task);
    watch_cancellable(task);
}

static void
on_facts(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Probe *probe = g_task_get_task_data(task);
    g_autofree char *name = g_strdup_printf("cloche-probe-%d", (int)getpid());
    MachineSpec spec = {.name = name,
                        .kernel = probe->kernel,
                        .initrd = probe->initrd,
                        .console = probe->console,
                        .user = probe->user,
                        .vcpus = 1,
                        .memory_mib = TRY_MEMORY_MIB};
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    if (probe->why_not) {
        finish(task);
        return;
    }
    vm_start_with(probe->vm, &spec, &probe->kvm, "cloche.probe", &events, task,
                  g_task_get_cancellable(task), on_started, task);
}

void
libvirt_probe_async(Vm *vm, const char *kernel, const char *initrd, const char *directory,
                    const MachineUser *user, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, cancellable, callback, data), *facts;
    Probe *probe = g_new0(Probe, 1);

    probe->vm = (LibvirtVm *)vm;
    probe->kernel = g_strdup(kernel);
    probe->initrd = g_strdup(initrd);
    probe->console = g_build_filename(directory, "probe-console.log", NULL);
    probe->user = *user;
    g_task_set_task_data(task, probe, (GDestroyNotify)probe_free);

    facts = g_task_new(/* source= */ NULL, cancellable, on_facts, task);
    g_task_set_task_data(facts, probe, /* free= */ NULL);
    vm_run(probe->vm, facts, run_facts);
}

const VmFacts *
libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error) ? &((LibvirtVm *)vm)->facts : NULL;
}

guint
libvirt_probe_pause_ms(Vm *vm, guint failures)
{
    return kvm_pause_s(failures) * 1000;
}
