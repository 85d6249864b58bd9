/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-memory-parse: parsers of what the kernel and libvirt say about the memory of a machine. */
#include "vm-memory-parse.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "vm-facts-parse.h"

/* Bits of an entry, as the kernel's admin-guide/mm/pagemap.rst documents them. */
#define PRESENT (G_GUINT64_CONSTANT(1) << 63)
#define SWAPPED (G_GUINT64_CONSTANT(1) << 62)
#define OF_FILE (G_GUINT64_CONSTANT(1) << 61)

gboolean
memory_entry_is_changed(guint64 entry)
{
    return (entry & (PRESENT | SWAPPED)) != 0 && (entry & OF_FILE) == 0;
}

gboolean
memory_parse_mapping(const char *line, MemoryMapping *ret)
{
    unsigned long begin, end, offset, inode;
    unsigned major, minor;
    char access[5];

    if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &begin, &end, access, &offset, &major, &minor,
               &inode) != 7 ||
        inode == 0 || begin >= end)
        return FALSE;
    *ret = (MemoryMapping){.begin = begin,
                           .end = end,
                           .offset = offset,
                           .is_private = access[3] == 'p',
                           .device = makedev(major, minor),
                           .inode = inode};
    return TRUE;
}

gboolean
memory_parse_uids(const char *status, uid_t uid)
{
    g_autofree char *line = facts_between(status, "\nUid:\t", "\n");
    unsigned real, effective, saved, of_files;

    return line && sscanf(line, "%u %u %u %u", &real, &effective, &saved, &of_files) == 4 &&
           real == uid && effective == uid && saved == uid && of_files == uid;
}

/* --- libvirt's description --- */

/* The value of an option of QEMU, in which a comma is written twice: a new string. */
static char *
take_value(const char *text)
{
    GString *value = g_string_new(NULL);

    for (; *text && !(text[0] == ',' && text[1] != ','); text++) {
        if (*text == ',')
            text++;
        g_string_append_c(value, *text);
    }
    return g_string_free(value, FALSE);
}

static void
on_element(GMarkupParseContext *context, const char *element, const char **names,
           const char **values, gpointer data, GError **error)
{
    char **path = data;
    const char *option;

    if (!g_str_equal(element, "qemu:arg") || !names[0] || !g_str_equal(names[0], "value") ||
        !g_str_has_prefix(values[0], "memory-backend-file,id=cloche.ram,"))
        return;
    option = strstr(values[0], ",mem-path=");
    if (option && !*path)
        *path = take_value(option + strlen(",mem-path="));
}

char *
memory_parse_ram(const char *xml)
{
    static const GMarkupParser parser = {.start_element = on_element};
    char *path = NULL;
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &path, NULL);

    g_markup_parse_context_parse(context, xml, -1, /* error= */ NULL);
    g_markup_parse_context_free(context);
    return path;
}
