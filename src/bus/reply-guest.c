/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reply-guest: converts processes, files and ports to GVariants as in dbus/org.cloche1.xml. */
#include <string.h>
#include <sys/stat.h>

#include "reply.h"

/* Limits on the arguments of one program in ListProcesses(): bytes in all, where each argument
 * counts for its own bytes and these. */
#define REPLY_ARGV_MAX 4096u
#define REPLY_ARGUMENT_SIZE 8u

static void
add(GVariantBuilder *dict, const char *key, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", key, value);
}

/* --- processes --- */

char *
reply_process_path(const Process *process)
{
    return g_strdup_printf(PROCESS_PATH "/%s_%u", process->sandbox->id, process->number);
}

GVariant *
reply_process(const Process *process)
{
    const ProcessEnd end = {process->exit, process->duration_us};
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE_VARDICT);
    add(&all, "Sandbox", g_variant_new_string(process->sandbox->id));
    add(&all, "Pid", g_variant_new_uint32(process->pid));
    add(&all, "Argv", g_variant_new_strv((const char *const *)process->argv, -1));
    add(&all, "Tag", g_variant_new_string(process->tag));
    add(&all, "Terminal", g_variant_new_boolean(process->is_terminal));
    add(&all, "Keep", g_variant_new_boolean(process->is_kept));
    add(&all, "Started", g_variant_new_uint64((guint64)process->started_us));
    add(&all, "State", g_variant_new_string(process->has_ended ? "ended" : "running"));
    add(&all, "ExitStatus",
        g_variant_new_int32(process->has_ended ? (int)process->exit.status : -1));
    add(&all, "ExitHow", g_variant_new_string(process->has_ended ? reply_how(&end.exit) : ""));
    add(&all, "OutputLost", g_variant_new_boolean(core_process_has_lost_output(process)));
    return g_variant_builder_end(&all);
}

GVariant *
reply_end(const ProcessEnd *end)
{
    GVariantBuilder usage;

    g_variant_builder_init(&usage, G_VARIANT_TYPE_VARDICT);
    add(&usage, "user-us", g_variant_new_uint64(end->exit.user_us));
    add(&usage, "system-us", g_variant_new_uint64(end->exit.system_us));
    add(&usage, "peak-rss-kib", g_variant_new_uint64(end->exit.peak_rss_kib));
    add(&usage, "duration-us", g_variant_new_uint64((guint64)end->duration_us));
    return g_variant_new("(isa{sv})", (int)end->exit.status, reply_how(&end->exit), &usage);
}

static const char *
state_name(guint32 letter)
{
    switch (letter) {
    case 'R':
        return "running";
    case 'T':
    case 't':
        return "stopped";
    case 'Z':
    case 'X':
        return "zombie";
    default:
        return "sleeping";
    }
}

/* Adds what there is room for of a program's arguments: a list has many programs, and each may have
 * arguments of 128 KiB. */
static void
add_argv(GVariantBuilder *entry, char **argv)
{
    GVariantBuilder shown;
    gsize left = REPLY_ARGV_MAX;
    gboolean is_cut = FALSE;

    g_variant_builder_init(&shown, G_VARIANT_TYPE_STRING_ARRAY);
    for (; *argv && !is_cut; argv++) {
        gsize size = strlen(*argv) + REPLY_ARGUMENT_SIZE;
        const char *end = *argv + size - REPLY_ARGUMENT_SIZE;

        is_cut = size > left;
        if (left < REPLY_ARGUMENT_SIZE)
            break;
        if (is_cut)
            g_utf8_validate_len(*argv, left - REPLY_ARGUMENT_SIZE, &end);
        g_variant_builder_add_value(
            &shown, g_variant_new_take_string(g_strndup(*argv, (gsize)(end - *argv))));
        left -= MIN(left, size);
    }
    add(entry, "argv", g_variant_builder_end(&shown));
    if (is_cut)
        add(entry, "argv-truncated", g_variant_new_boolean(TRUE));
}

static void
add_object(GVariantBuilder *entry, const Process *process)
{
    g_autofree char *path = reply_process_path(process);

    add(entry, "process", g_variant_new_object_path(path));
    add(entry, "tag", g_variant_new_string(process->tag));
}

GVariant *
reply_program(const GuestProgram *program, const Process *process)
{
    GVariantBuilder entry;

    g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
    add(&entry, "pid", g_variant_new_uint32(program->pid));
    add(&entry, "parent", g_variant_new_uint32(program->parent));
    add(&entry, "user", g_variant_new_string(program->user));
    add_argv(&entry, program->argv);
    add(&entry, "state", g_variant_new_string(state_name(program->state)));
    add(&entry, "started", g_variant_new_uint64(program->started_ms * 1000));
    add(&entry, "memory-kib", g_variant_new_uint64(program->memory_kib));
    add(&entry, "processor-us", g_variant_new_uint64(program->processor_us));
    if (process)
        add_object(&entry, process);
    return g_variant_builder_end(&entry);
}

GVariant *
reply_ended_process(const Process *process)
{
    GVariantBuilder entry;

    g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
    add(&entry, "pid", g_variant_new_uint32(0));
    add_argv(&entry, process->argv);
    add(&entry, "state", g_variant_new_string("ended"));
    add(&entry, "started", g_variant_new_uint64((guint64)process->started_us));
    add_object(&entry, process);
    return g_variant_builder_end(&entry);
}

/* --- files --- */

static const char *
type_name(guint32 mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFCHR:
        return "char-device";
    case S_IFBLK:
        return "block-device";
    default:
        return "file";
    }
}

/* Adds the path as UTF-8 text, and its bytes as `bytes_key` if they are not valid UTF-8. */
static void
add_path(GVariantBuilder *entry, const char *key, const char *bytes_key, GBytes *path)
{
    gsize size;
    const char *raw = g_bytes_get_data(path, &size);

    add(entry, key, g_variant_new_take_string(g_utf8_make_valid(raw ? raw : "", (gssize)size)));
    if (!g_utf8_validate_len(raw ? raw : "", size, NULL))
        add(entry, bytes_key, g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, raw, size, 1));
}

static char *
last_name(GBytes *path)
{
    gsize size;
    const char *raw = g_bytes_get_data(path, &size);
    g_autofree char *copy = g_strndup(raw ? raw : "", size);
    const char *slash = strrchr(copy, '/');

    return g_utf8_make_valid(slash ? slash + 1 : copy, -1);
}

/* A time of type t, or of type x if it is negative. */
static GVariant *
new_time(gint64 us)
{
    return us >= 0 ? g_variant_new_uint64((guint64)us) : g_variant_new_int64(us);
}

GVariant *
reply_file(const GuestFile *file)
{
    GVariantBuilder entry;

    g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
    add_path(&entry, "path", "path-bytes", file->path);
    add(&entry, "name", g_variant_new_take_string(last_name(file->path)));
    add(&entry, "type", g_variant_new_string(type_name(file->mode)));
    add(&entry, "size", g_variant_new_uint64(file->size));
    add(&entry, "mode", g_variant_new_uint32(file->mode & 07777));
    add(&entry, "uid", g_variant_new_uint32(file->uid));
    add(&entry, "gid", g_variant_new_uint32(file->gid));
    add(&entry, "user", g_variant_new_string(file->user));
    add(&entry, "group", g_variant_new_string(file->group));
    add(&entry, "modified", new_time(file->modified_us));
    add(&entry, "accessed", new_time(file->accessed_us));
    add(&entry, "changed", new_time(file->changed_us));
    add(&entry, "links", g_variant_new_uint64(file->links));
    add(&entry, "inode", g_variant_new_uint64(file->inode));
    if (S_ISLNK(file->mode))
        add_path(&entry, "target", "target-bytes", file->target);
    return g_variant_builder_end(&entry);
}

/* --- ports --- */

GVariant *
reply_listener(const GuestListener *listener)
{
    GVariantBuilder entry;

    g_variant_builder_init(&entry, G_VARIANT_TYPE_VARDICT);
    add(&entry, "port", g_variant_new_uint16((guint16)listener->port));
    add(&entry, "address", g_variant_new_string(listener->address));
    add(&entry, "pid", g_variant_new_uint32(listener->pid));
    add(&entry, "program", g_variant_new_string(listener->program));
    return g_variant_builder_end(&entry);
}
