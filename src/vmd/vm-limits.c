/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-limits: the systemd scope of a machine's QEMU.
 *
 * systemd bounds the memory, threads and processor time of a QEMU, and ends it while libvirt does
 * not answer, or does not know the machine any more. libvirt cannot set the bounds: its hard limit
 * of memory also raises the limit of locked memory, which a libvirtd in a container may not do, and
 * it cannot bound tasks. polkit/cloche.rules allows the service's user to set properties of these
 * scopes, to kill and to stop them, and no other units.
 */
#include "vm-limits.h"

#include <signal.h>
#include <string.h>

#include "error.h"
#include "vm-files.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SCOPES "/org/freedesktop/systemd1/unit/machine_2dqemu_5cx2d"
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

static GDBusConnection *
get_bus(GError **error)
{
    GDBusConnection *bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);

    if (bus)
        g_dbus_connection_set_exit_on_close(bus, FALSE);
    return bus;
}

/* The object path of the unit that contains the process: a new string. */
static char *
find_unit(GDBusConnection *bus, pid_t pid, GError **error)
{
    g_autoptr(GVariant) found =
        call(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "GetUnitByPID",
             g_variant_new("(u)", (guint32)pid), "(o)", error);
    char *unit = NULL;

    if (found)
        g_variant_get(found, "(o)", &unit);
    return unit;
}

static gboolean
try_limits(pid_t pid, guint64 memory, guint64 tasks, GError **error)
{
    g_autoptr(GDBusConnection) bus = get_bus(error);
    g_autofree char *unit = bus ? find_unit(bus, pid, error) : NULL;

    return unit && set_properties(bus, unit, memory, tasks, error);
}

gboolean
limits_set(pid_t pid, const MachineSpec *spec, gboolean emulated, GError **error)
{
    static int has_failed; /* the last machine got no bounds: try once, because workers are few */
    guint tries = g_atomic_int_get(&has_failed) ? 1 : TRIES;
    guint64 memory = limits_memory(spec, emulated), tasks = limits_tasks(spec);
    GError *cause = NULL;

    if (pid == 0) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY,
                    "its memory cannot be bounded: libvirt has not written its process id");
        return FALSE;
    }
    while (!try_limits(pid, memory, tasks, &cause) && --tries > 0 && vm_is_alive(pid)) {
        g_clear_error(&cause);
        g_usleep(PAUSE_US);
    }
    g_atomic_int_set(&has_failed, cause != NULL);
    if (!cause)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY, "its memory cannot be bounded: %s",
                cause->message);
    g_error_free(cause);
    return FALSE;
}

gboolean
limits_is_scope_of(const char *path, const char *name)
{
    g_autofree char *end = g_strconcat("_5cx2d", strrchr(name, '-') + 1, "_2escope", NULL);

    return g_str_has_prefix(path, SCOPES) && g_str_has_suffix(path, end);
}

gboolean
limits_kill(pid_t pid, const char *name, GError **error)
{
    g_autoptr(GDBusConnection) bus = get_bus(error);
    g_autofree char *unit = bus ? find_unit(bus, pid, error) : NULL;
    g_autoptr(GVariant) answer = NULL;

    if (!unit)
        return FALSE;
    if (!limits_is_scope_of(unit, name)) { /* another process has the id by now */
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "process %d is in '%s'", (int)pid,
                    unit);
        return FALSE;
    }
    answer = call(bus, unit, SYSTEMD ".Unit", "Kill", g_variant_new("(si)", "all", SIGKILL), "()",
                  error);
    return answer != NULL;
}

/* --- scopes that libvirt has left --- */

#define SCOPE_PREFIX "machine-qemu\\x2d"
#define SCOPE_SUFFIX ".scope"
#define ESCAPED_DASH "\\x2d"

static void
replace_all(GString *text, const char *find, const char *replacement)
{
    g_string_replace(text, find, replacement, /* limit= */ 0);
}

/* In a pattern, the backslash of an escaped dash would be an escape itself, so `?` matches it. */
static char *
make_pattern(const char *prefix)
{
    GString *pattern = g_string_new(prefix);

    replace_all(pattern, "-", "?x2d");
    g_string_prepend(pattern, "machine-qemu?x2d*?x2d");
    g_string_append(pattern, "*" SCOPE_SUFFIX);
    return g_string_free(pattern, FALSE);
}

char **
limits_list_scopes(const char *prefix)
{
    g_autoptr(GDBusConnection) bus = get_bus(/* error= */ NULL);
    g_autofree char *pattern = make_pattern(prefix);
    const char *const states[] = {NULL}, *const patterns[] = {pattern, NULL};
    g_autoptr(GVariant) answer =
        bus ? call(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "ListUnitsByPatterns",
                   g_variant_new("(^as^as)", states, patterns), "(a(ssssssouso))",
                   /* error= */ NULL)
            : NULL;
    g_autoptr(GVariantIter) iter = NULL;
    GStrvBuilder *units;
    char **list;
    const char *unit;

    if (!answer)
        return NULL;
    units = g_strv_builder_new();
    g_variant_get(answer, "(a(ssssssouso))", &iter);
    while (g_variant_iter_loop(iter, "(&s&s&s&s&s&s&ou&s&o)", &unit, NULL, NULL, NULL, NULL, NULL,
                               NULL, NULL, NULL, NULL))
        g_strv_builder_add(units, unit);
    list = g_strv_builder_end(units);
    g_strv_builder_unref(units);
    return list;
}

/* libvirt composes the name of a scope from its number of the machine and the machine's name. */
char *
limits_scope_machine(const char *unit)
{
    const char *number = unit + strlen(SCOPE_PREFIX), *name;
    GString *machine;

    if (!g_str_has_prefix(unit, SCOPE_PREFIX) || !g_str_has_suffix(unit, SCOPE_SUFFIX) ||
        !(name = strstr(number, ESCAPED_DASH)))
        return NULL;
    machine = g_string_new(name + strlen(ESCAPED_DASH));
    g_string_truncate(machine, machine->len - strlen(SCOPE_SUFFIX));
    replace_all(machine, ESCAPED_DASH, "-");
    return g_string_free(machine, FALSE);
}

/* Stopping begins with SIGTERM, and systemd waits for the end of the processes. */
void
limits_stop_scope(const char *unit)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = get_bus(&error);
    g_autoptr(GVariant) killed = NULL, answer = NULL;

    if (bus) {
        killed = call(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "KillUnit",
                      g_variant_new("(ssi)", unit, "all", SIGKILL), "()", /* error= */ NULL);
        answer = call(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "StopUnit",
                      g_variant_new("(ss)", unit, "replace"), "(o)", &error);
    }
    if (!answer)
        g_debug("scope '%s' was not stopped: %s", unit, error->message);
}
