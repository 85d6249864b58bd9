/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acceleration: which accelerator machines get, and what happens when KVM does not work.
 *
 * A processor that has no hardware virtualization is tried once. One that has it is tried
 * TRIES_MAX times while templates wait. After that machines are emulated only if
 * AllowEmulation=yes says so; otherwise the templates fail with the reason, and the service goes on
 * trying until KVM works. Once an accelerator is chosen, it stays until the service ends: templates
 * and machines depend on it.
 */
#include "acceleration.h"

#include "core-private.h"
#include "error.h"
#include "pace.h"
#include "pool.h"

/* Tries in a row that must fail before the templates do. */
#define TRIES_MAX 4

static void probe(Core *core);

static void
for_each_pool(Core *core, void (*call)(Pool *pool, gconstpointer data), gconstpointer data)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        call(pool, data);
}

static void
fail_pool(Pool *pool, gconstpointer error)
{
    pool_fail(pool, error);
}

static void
hold_pool(Pool *pool, gconstpointer step)
{
    pool_hold(pool, step);
}

static void
prepare_pool(Pool *pool, gconstpointer facts)
{
    pool_prepare(pool, facts);
}

void
acceleration_fail(Core *core, const GError *error)
{
    for_each_pool(core, fail_pool, error);
}

/* --- the reason --- */

/* A reason is logged when it is new, and not at each try. */
static void
set_error(Core *core, const char *reason)
{
    if (g_strcmp0(core->acceleration_error, reason) == 0)
        return;
    if (reason)
        g_warning("KVM does not work: %s", reason);
    else
        g_message("KVM works now");
    g_free(core->acceleration_error);
    core->acceleration_error = g_strdup(reason);
    core->events->manager_changed(core->events_data);
    core_notify(core);
}

/* --- what comes of a try --- */

static void
use_facts(Core *core, const VmFacts *facts)
{
    core->facts = facts;
    core->host.pace = pace_of(facts->emulated);
    g_message("Machines run on %s with the accelerator %s", facts->hypervisor, facts->accelerator);
    if (facts->emulated)
        g_warning("Machines are emulated, since %s (%s). This is slow, and no security boundary: "
                  "for development and tests only",
                  facts->has_virtualization ? "KVM does not work"
                                            : "the processor has no hardware virtualization",
                  facts->kvm_error);
    core->events->manager_changed(core->events_data);
    for_each_pool(core, prepare_pool, facts);
}

static void
refuse_to_emulate(Core *core)
{
    g_autoptr(GError) error =
        g_error_new(CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "The processor has no hardware virtualization, and AllowEmulation=no in "
                    "[Machines] of cloched.conf forbids to emulate it");

    acceleration_fail(core, error);
}

static void
refuse_without_kvm(Core *core)
{
    g_autoptr(GError) error = g_error_new(
        CLOCHE_ERROR, CLOCHE_ERROR_TEMPLATE_NOT_READY,
        "KVM does not work although the processor has hardware virtualization: %s. 'cloche doctor' "
        "shows what to mend; the service tries again by itself. AllowEmulation=yes in [Machines] "
        "of cloched.conf permits emulation, which is slow and no security boundary",
        core->acceleration_error);

    acceleration_fail(core, error);
}

static gboolean
on_pause_over(gpointer data)
{
    Core *core = data;

    core->probe_timer = 0;
    probe(core);
    return G_SOURCE_REMOVE;
}

static void
try_again_later(Core *core)
{
    core->probe_failures++;
    core->probe_timer =
        g_timeout_add(vm_probe_pause_ms(core->host.vm, core->probe_failures), on_pause_over, core);
}

/* The processor could do it. */
static void
on_kvm_failed(Core *core, const VmFacts *facts)
{
    gboolean is_last = ++core->kvm_failures >= TRIES_MAX;

    set_error(core, facts->kvm_error);
    if (is_last && core->config.emulation == EMULATION_YES) {
        use_facts(core, facts);
        return;
    }
    if (is_last)
        refuse_without_kvm(core);
    else
        for_each_pool(core, hold_pool, "waiting for KVM, which does not work yet");
    try_again_later(core);
}

/* Nothing could be found out: libvirt or QEMU does not answer. */
static void
on_probe_failed(Core *core, const GError *error)
{
    acceleration_fail(core, error);
    try_again_later(core);
}

static void
take_facts(Core *core, const VmFacts *facts)
{
    if (!facts->emulated) {
        set_error(core, NULL);
        use_facts(core, facts);
    } else if (facts->has_virtualization) {
        on_kvm_failed(core, facts);
    } else if (core->config.emulation == EMULATION_NO) {
        refuse_to_emulate(core);
    } else {
        use_facts(core, facts);
    }
}

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    Core *core = data;
    g_autoptr(GError) error = NULL;
    const VmFacts *facts = vm_probe_finish(core->host.vm, result, &error);

    host_return_user(&core->host, &core->probe_user);
    if (core->stopping)
        ; /* too late to use it */
    else if (facts)
        take_facts(core, facts);
    else
        on_probe_failed(core, error);
    host_release(&core->host);
}

/* --- a try --- */

/* Any image that can be booted will do to find out what can boot it. */
static const Image *
find_usable_image(Core *core)
{
    GHashTableIter iter;
    gpointer pool;

    g_hash_table_iter_init(&iter, core->pools);
    while (g_hash_table_iter_next(&iter, NULL, &pool))
        if (pool_is_usable(pool))
            return pool_image(pool);
    return NULL;
}

static void
probe(Core *core)
{
    const Image *image = find_usable_image(core);
    g_autofree char *kernel = NULL, *initrd = NULL;
    g_autoptr(GError) error = NULL;

    if (!image) {
        g_warning("No usable image is installed: build one with build-image, and start this "
                  "service again");
        return;
    }
    if (!host_take_user(&core->host, &core->probe_user, &error)) {
        on_probe_failed(core, error);
        return;
    }
    kernel = image_path(image, "kernel");
    initrd = image_path(image, "initrd");
    host_hold(&core->host);
    vm_probe_async(core->host.vm, kernel, initrd, core->host.store->run, &core->probe_user,
                   core->cancellable, on_probed, core);
}

void
acceleration_start(Core *core)
{
    probe(core);
}

void
acceleration_stop(Core *core)
{
    g_clear_handle_id(&core->probe_timer, g_source_remove);
}
