/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* acceleration: which accelerator machines get, and what happens when KVM does not work. */
#include "acceleration.h"

#include "error.h"

/* Tries in a row that must fail before the templates do. */
#define TRIES_MAX 4

struct Acceleration {
    Host *host;
    Emulation emulation;
    const AccelerationEvents *events;
    gpointer events_data;
    Template *template;   /* whose kernel is booted; NULL: not started */
    const VmFacts *facts; /* NULL: no accelerator is chosen */
    char *error;          /* why KVM does not work, or NULL */
    MachineUser user;     /* of the try under way */
    guint timer;          /* of the next try; 0: none waits */
    guint failures;       /* tries that failed, for any reason */
    guint kvm_failures;   /* tries that KVM failed */
    gboolean lacks_facts; /* the last try failed because libvirt or QEMU did not answer */
    GCancellable *cancellable;
};

static void probe(Acceleration *acceleration);

Acceleration *
acceleration_new(Host *host, Emulation emulation, const AccelerationEvents *events, gpointer data)
{
    Acceleration *acceleration = g_new0(Acceleration, 1);

    acceleration->host = host;
    acceleration->emulation = emulation;
    acceleration->events = events;
    acceleration->events_data = data;
    acceleration->cancellable = g_cancellable_new();
    return acceleration;
}

void
acceleration_free(Acceleration *acceleration)
{
    template_unref(acceleration->template);
    g_object_unref(acceleration->cancellable);
    g_free(acceleration->error);
    g_free(acceleration);
}

const VmFacts *
acceleration_facts(const Acceleration *acceleration)
{
    return acceleration->facts;
}

const char *
acceleration_error(const Acceleration *acceleration)
{
    return acceleration->error;
}

/* --- the reason --- */

/* Logs the reason only when it changes, not at each try. */
static void
set_error(Acceleration *acceleration, const char *reason)
{
    if (g_strcmp0(acceleration->error, reason) == 0)
        return;
    if (reason)
        g_warning("KVM does not work: %s", reason);
    else
        g_message("KVM works now");
    g_free(acceleration->error);
    acceleration->error = g_strdup(reason);
    acceleration->events->changed(acceleration->events_data);
}

static void
report_failure(Acceleration *acceleration, const GError *error)
{
    acceleration->events->failed(error, acceleration->events_data);
}

/* --- what follows from a try --- */

static void
choose(Acceleration *acceleration, const VmFacts *facts)
{
    acceleration->facts = facts;
    acceleration->host->pace = *pace_of(facts->emulated);
    g_message("Machines run on %s with the accelerator %s", facts->hypervisor, facts->accelerator);
    if (facts->emulated)
        g_warning(
            "Machines are emulated, because %s (%s). This is slow and not a security boundary: "
            "for development and tests only",
            facts->has_virtualization ? "KVM does not work"
                                      : "the processor has no hardware virtualization",
            facts->kvm_error);
    acceleration->events->changed(acceleration->events_data);
    acceleration->events->chosen(facts, acceleration->events_data);
}

static void
refuse_to_emulate(Acceleration *acceleration)
{
    g_autoptr(GError) error =
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "The processor has no hardware virtualization, and AllowEmulation=no in "
                    "[Machines] of cloched.conf forbids emulation");

    report_failure(acceleration, error);
}

static void
refuse_without_kvm(Acceleration *acceleration)
{
    g_autoptr(GError) error = g_error_new(
        CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
        "KVM does not work although the processor has hardware virtualization: %s. 'cloche doctor' "
        "shows what to fix; the service tries again by itself. AllowEmulation=yes in [Machines] "
        "of cloched.conf permits emulation, which is slow and not a security boundary",
        acceleration->error);

    report_failure(acceleration, error);
}

static gboolean
on_pause_over(gpointer data)
{
    Acceleration *acceleration = data;

    acceleration->timer = 0;
    probe(acceleration);
    return G_SOURCE_REMOVE;
}

static void
try_again_later(Acceleration *acceleration)
{
    guint pause_ms = vm_probe_pause_ms(acceleration->host->vm, ++acceleration->failures);

    acceleration->timer = g_timeout_add(pause_ms, on_pause_over, acceleration);
}

/* KVM failed, and the processor's flags say that it should work. */
static void
on_kvm_failed(Acceleration *acceleration, const VmFacts *facts)
{
    gboolean is_last = ++acceleration->kvm_failures >= TRIES_MAX;

    set_error(acceleration, facts->kvm_error);
    if (is_last && acceleration->emulation == EMULATION_YES) {
        choose(acceleration, facts);
        return;
    }
    if (is_last)
        refuse_without_kvm(acceleration);
    else
        acceleration->events->waiting("waiting for KVM, which does not work yet",
                                      acceleration->events_data);
    try_again_later(acceleration);
}

/* The try gave no facts, because libvirt or QEMU does not answer. */
static void
on_probe_failed(Acceleration *acceleration, const GError *error)
{
    acceleration->lacks_facts = TRUE;
    report_failure(acceleration, error);
    try_again_later(acceleration);
}

static void
take_facts(Acceleration *acceleration, const VmFacts *facts)
{
    acceleration->lacks_facts = FALSE;
    if (!facts->emulated) {
        set_error(acceleration, NULL);
        choose(acceleration, facts);
    } else if (facts->has_virtualization) {
        on_kvm_failed(acceleration, facts);
    } else if (acceleration->emulation == EMULATION_NO) {
        refuse_to_emulate(acceleration);
    } else {
        choose(acceleration, facts);
    }
}

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    Acceleration *acceleration = data;
    Host *host = acceleration->host;
    g_autoptr(GError) error = NULL;
    const VmFacts *facts = vm_probe_finish(host->vm, result, &error);

    host_return_user(host, &acceleration->user);
    if (g_cancellable_is_cancelled(acceleration->cancellable))
        ; /* the service is stopping */
    else if (facts)
        take_facts(acceleration, facts);
    else
        on_probe_failed(acceleration, error);
    host_release(host);
}

/* --- a try --- */

static void
probe(Acceleration *acceleration)
{
    Host *host = acceleration->host;
    g_autoptr(GError) error = NULL;

    if (!host_take_user(host, &acceleration->user, &error)) {
        on_probe_failed(acceleration, error);
        return;
    }
    host_hold(host);
    vm_probe_async(host->vm, acceleration->template->kernel, acceleration->template->initrd,
                   host->store->run, &acceleration->user, acceleration->cancellable, on_probed,
                   acceleration);
}

void
acceleration_start(Acceleration *acceleration, Template *template)
{
    acceleration->template = template_ref(template);
    probe(acceleration);
}

void
acceleration_retry(Acceleration *acceleration)
{
    if (acceleration->timer == 0 || !acceleration->lacks_facts)
        return;
    g_clear_handle_id(&acceleration->timer, g_source_remove);
    probe(acceleration);
}

gboolean
acceleration_has_started(const Acceleration *acceleration)
{
    return acceleration->template != NULL;
}

void
acceleration_stop(Acceleration *acceleration)
{
    g_cancellable_cancel(acceleration->cancellable);
    g_clear_handle_id(&acceleration->timer, g_source_remove);
}
