/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-limits: bounds on memory, threads and processor time of a machine's QEMU, set by systemd.
 *
 * libvirt cannot set them: its hard limit of memory also raises the limit of locked memory, which a
 * libvirtd in a container may not do, and it has no bound of tasks. polkit/cloche.rules allows the
 * service's user to set properties of these scopes, and of no other units.
 */
#include "vm-limits.h"

#include <errno.h>
#include <signal.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define CPU_WEIGHT 100u
/*
 * A machine maps its template's RAM file privately. Where the file has a hole, a write allocates
 * two pages: one of the file, which then belongs to the template, and the machine's own copy. The
 * kernel charges both to the machine that writes first, so the first machine of a template may need
 * twice its memory.
 */
#define PAGES_PER_WRITE 2u
/* Memory of QEMU itself, its page tables, and its buffers. */
#define OVERHEAD_MIB 256u
/* Translated code and the data about it. */
#define TRANSLATION_MIB 256u

/* Up to 64 threads for the disk; fewer than ten others were observed. */
#define OTHER_THREADS 96

/* polkit, which systemd asks for permission, may be restarting. */
#define TRIES 10
#define PAUSE_US G_USEC_PER_SEC

guint64
limits_memory(const MachineSpec *spec, gboolean emulated)
{
    guint64 mib = spec->memory_mib * PAGES_PER_WRITE + OVERHEAD_MIB;

    if (emulated)
        mib += TRANSLATION_MIB;
    return mib * 1024 * 1024;
}

guint
limits_tasks(const MachineSpec *spec)
{
    return spec->vcpus + OTHER_THREADS;
}

static GVariant *
call(GDBusConnection *bus, const char *path, const char *interface, const char *method,
     GVariant *parameters, const char *reply, GError **error)
{
    return g_dbus_connection_call_sync(bus, SYSTEMD, path, interface, method, parameters,
                                       G_VARIANT_TYPE(reply), G_DBUS_CALL_FLAGS_NONE,
                                       /* timeout= */ 5000, /* cancellable= */ NULL, error);
}

static gboolean
set_properties(GDBusConnection *bus, const char *unit, guint64 memory, guint64 tasks,
               GError **error)
{
    GVariantBuilder properties;
    g_autoptr(GVariant) answer = NULL;

    g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
    g_variant_builder_add(&properties, "(sv)", "MemoryMax", g_variant_new_uint64(memory));
    g_variant_builder_add(&properties, "(sv)", "TasksMax", g_variant_new_uint64(tasks));
    g_variant_builder_add(&properties, "(sv)", "CPUWeight", g_variant_new_uint64(CPU_WEIGHT));
    answer = call(bus, unit, SYSTEMD ".Unit", "SetProperties",
                  g_variant_new("(ba(sv))", /* runtime= */ TRUE, &properties), "()", error);
    return answer != NULL;
}

static gboolean
try_limits(pid_t pid, guint64 memory, guint64 tasks, GError **error)
{
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    g_autoptr(GVariant) found = NULL;
    const char *unit;

    if (!bus)
        return FALSE;
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    found = call(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "GetUnitByPID",
                 g_variant_new("(u)", (guint32)pid), "(o)", error);
    if (!found)
        return FALSE;
    g_variant_get(found, "(&o)", &unit);
    return set_properties(bus, unit, memory, tasks, error);
}

/* EPERM: the process exists but runs as another user. */
static gboolean
is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

void
limits_set(pid_t pid, const MachineSpec *spec, gboolean emulated)
{
    static int gave_up; /* the last machine got no bounds: try only once */
    guint tries = g_atomic_int_get(&gave_up) ? 1 : TRIES;
    guint64 memory = limits_memory(spec, emulated), tasks = limits_tasks(spec);
    g_autoptr(GError) error = NULL;

    if (pid == 0)
        return;
    while (!try_limits(pid, memory, tasks, &error) && --tries > 0 && is_alive(pid)) {
        g_clear_error(&error);
        g_usleep(PAUSE_US);
    }
    if (error && !g_atomic_int_get(&gave_up))
        g_warning("Machines have no bounds of memory and tasks: %s", error->message);
    g_atomic_int_set(&gave_up, error != NULL);
}
