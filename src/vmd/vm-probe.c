/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-probe: finds out which accelerator works.
 *
 * That libvirt offers KVM means only that QEMU could open the device. So the probe boots a guest
 * under KVM, with the kernel that the templates use. A guest that does not power off within the
 * time limit counts as a failure, as one that dies. The reason becomes part of the facts, and the
 * core decides what follows from it.
 */
#include "vm-probe.h"

#include <unistd.h>

#include "error.h"
#include "vm-destroy.h"
#include "vm-error.h"
#include "vm-kvm.h"
#include "vm-start.h"

#define TRIAL_TIMEOUT_S 30
#define TRIAL_MEMORY_MIB 256
#define READ_ONLY_RAM_VERSION 8002000 /* QEMU 8.2.0, as libvirt counts */

typedef struct {
    LibvirtVm *vm;
    char *kernel;
    char *initrd;
    char *console;
    MachineUser user;

    VmFacts kvm; /* strings owned; accelerator is NULL when libvirt offers no KVM */
    VmFacts tcg;
    gboolean ram_read_only;
    guint opening; /* of the connection that the facts came from */
    char *why_not; /* why KVM does not work; NULL: it works */

    guint timeout;
    GSource *cancelled;
    Machine *machine; /* while it is being tried */
} Probe;

static void
probe_free(Probe *probe)
{
    facts_clear(&probe->kvm);
    facts_clear(&probe->tcg);
    g_free(probe->kernel);
    g_free(probe->initrd);
    g_free(probe->console);
    g_free(probe->why_not);
    g_free(probe);
}

static gboolean
has_virtualization(void)
{
    g_autofree char *info = NULL;

    return g_file_get_contents("/proc/cpuinfo", &info, /* length= */ NULL, /* error= */ NULL) &&
           kvm_is_promised(info);
}

/* FALSE with an error if libvirt was away since the facts were collected: then the guest failed
 * because of libvirt, which says nothing about KVM. */
static gboolean
set_unless_still(const Probe *probe, GError **error)
{
    if (connection_is_still(probe->vm->connection, probe->opening))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED,
                "libvirt was restarted while KVM was tried (%s)", probe->why_not);
    return FALSE;
}

/* --- facts, in a worker --- */

static void
note_failure(Probe *probe, const char *text)
{
    g_free(probe->why_not);
    probe->why_not = kvm_reason(text);
}

static void
collect_kvm_facts(Probe *probe, virConnectPtr libvirt)
{
    g_autofree char *capabilities = facts_ask_capabilities(libvirt, "kvm");
    g_autoptr(GError) error = NULL;

    if (capabilities) {
        probe->kvm.accelerator = "kvm";
        facts_fill(&probe->kvm, capabilities, &error);
    } else {
        vm_error_set(&error, "libvirt offers no KVM");
    }
    if (error)
        note_failure(probe, probe->vm->embed.no_kvm ? probe->vm->embed.no_kvm : error->message);
}

static gboolean
ask_ram_read_only(virConnectPtr libvirt, gboolean *ret, GError **error)
{
    unsigned long version = 0;

    if (virConnectGetVersion(libvirt, &version) < 0)
        return vm_error_set(error, "cannot ask for QEMU's version");
    *ret = version >= READ_ONLY_RAM_VERSION;
    return TRUE;
}

static gboolean
collect_facts(Probe *probe, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(probe->vm->connection, error);
    g_autofree char *tcg = NULL;

    if (!libvirt || !ask_ram_read_only(libvirt, &probe->ram_read_only, error))
        return FALSE;
    probe->opening = connection_count_openings(probe->vm->connection);
    tcg = facts_ask_capabilities(libvirt, "qemu");
    if (!tcg)
        return vm_error_set(error, "cannot ask for QEMU's capabilities");
    probe->tcg.accelerator = "tcg";
    probe->tcg.emulated = TRUE;
    if (!facts_fill(&probe->tcg, tcg, error))
        return FALSE;

    collect_kvm_facts(probe, libvirt);
    return TRUE;
}

/* A failed call is the first sign that libvirtd has gone, so the connection is used once more. */
static gboolean
check_connection(Probe *probe, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(probe->vm->connection, error);

    return libvirt && set_unless_still(probe, error);
}

static void
run_facts(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);
    GError *error = NULL;

    if (collect_facts(probe, &error) && (!probe->why_not || check_connection(probe, &error)))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

/* --- the trial, in the main context --- */

static void
finish(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);
    VmFacts *facts = probe->why_not ? &probe->tcg : &probe->kvm;
    GError *error = NULL;

    if (probe->why_not && !set_unless_still(probe, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    facts->kvm_error = g_steal_pointer(&probe->why_not);
    facts->has_virtualization = has_virtualization();
    facts_clear(&probe->vm->known.facts);
    probe->vm->known.facts = *facts;
    probe->vm->known.ram_read_only = probe->ram_read_only;
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

    if (!libvirt_destroy_finish(&probe->vm->base, result, &error))
        g_warning("%s", error->message);
    finish(task);
}

static void
end_trial(GTask *task)
{
    Probe *probe = g_task_get_task_data(task);

    g_clear_handle_id(&probe->timeout, g_source_remove);
    if (probe->cancelled)
        g_source_destroy(probe->cancelled);
    g_clear_pointer(&probe->cancelled, g_source_unref);
    libvirt_destroy_async(g_steal_pointer(&probe->machine), on_destroyed, task);
}

static gboolean
on_timeout(gpointer data)
{
    GTask *task = data;
    Probe *probe = g_task_get_task_data(task);

    probe->timeout = 0;
    note_failure(probe,
                 "a guest under KVM did not power off within " G_STRINGIFY(TRIAL_TIMEOUT_S) " s");
    end_trial(task);
    return G_SOURCE_REMOVE;
}

/* The service stops and does not wait for the guest. */
static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    note_failure(g_task_get_task_data(data), "the trial was cancelled");
    end_trial(data);
    return G_SOURCE_REMOVE;
}

static void
on_ended(Machine *machine, MachineEnd how, gpointer data)
{
    GTask *task = data;
    const char *why_not = kvm_end_reason(how);

    if (why_not)
        note_failure(g_task_get_task_data(task), why_not);
    end_trial(task);
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

/* The machine has no disk, so it never stalls. */
static const MachineEvents events = {.ended = on_ended};

static void
on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Probe *probe = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    int fd;

    probe->machine = libvirt_start_finish(&probe->vm->base, result, &fd, &error);
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY)) { /* not KVM's fault */
        g_task_return_error(task, g_steal_pointer(&error));
        g_object_unref(task);
        return;
    }
    if (!probe->machine) {
        note_failure(probe, error->message);
        finish(task);
        return;
    }
    probe->timeout = g_timeout_add_seconds(TRIAL_TIMEOUT_S, on_timeout, task);
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
                        .memory_mib = TRIAL_MEMORY_MIB};
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
    workers_run(probe->vm->workers, facts, run_facts);
}

const VmFacts *
libvirt_probe_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error) ? &((LibvirtVm *)vm)->known.facts : NULL;
}

/* --- the facts of an earlier probe --- */

typedef struct {
    LibvirtVm *vm;
    KnownFacts known;
} Recall;

static void
recall_free(gpointer data)
{
    Recall *recall = data;

    facts_clear(&recall->known.facts);
    g_free(recall);
}

static gboolean
recall_facts(Recall *recall, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(recall->vm->connection, error);
    VmFacts now;

    if (!libvirt || !ask_ram_read_only(libvirt, &recall->known.ram_read_only, error) ||
        !facts_ask(libvirt, &recall->known.facts, &now, error))
        return FALSE;
    recall->known.facts = now;
    return TRUE;
}

static void
run_recall(GTask *task)
{
    GError *error = NULL;

    if (recall_facts(g_task_get_task_data(task), &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
on_recalled(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Recall *recall = g_task_get_task_data(G_TASK(result));
    GError *error = NULL;

    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        g_task_return_error(task, error);
        return;
    }
    facts_clear(&recall->vm->known.facts);
    recall->vm->known = recall->known;
    recall->known.facts = (VmFacts){0};
    g_task_return_boolean(task, TRUE);
}

void
libvirt_recall_async(Vm *vm, gboolean is_emulated, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data), *facts;
    Recall *recall = g_new0(Recall, 1);

    recall->vm = (LibvirtVm *)vm;
    recall->known.facts.emulated = is_emulated;
    recall->known.facts.accelerator = is_emulated ? "tcg" : "kvm";
    facts = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, on_recalled, task);
    g_task_set_task_data(facts, recall, recall_free);
    workers_run(recall->vm->workers, facts, run_recall);
}
