/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* walk: every method of the interface's XML that concerns one sandbox. */
#include "walk.h"

#include <string.h>

#include "client.h"

#define SANDBOX_INTERFACE "org.cloche1.Sandbox"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* Returns a valid value for the argument, as text. All strings are ids, except for code. */
static const char *
word_of(const GDBusArgInfo *arg)
{
    if (g_str_equal(arg->signature, "s"))
        return "'1'";
    if (g_str_equal(arg->signature, "as"))
        return "['true']";
    if (g_str_equal(arg->signature, "a{sv}"))
        return "@a{sv} {}";
    if (g_str_equal(arg->signature, "t"))
        return "uint64 60";
    if (g_str_equal(arg->name, "count")) /* none, because the children of a fork would remain */
        return "uint32 0";
    if (g_str_equal(arg->signature, "u"))
        return "uint32 60";
    if (g_str_equal(arg->signature, "q"))
        return "uint16 60";
    if (g_str_equal(arg->signature, "i"))
        return "10";
    if (g_str_equal(arg->signature, "h"))
        return "handle 0";
    g_error("walk: no value is defined for the type '%s'", arg->signature);
}

/* `id`: the value of the first argument, or NULL. */
static char *
words_of(const GDBusMethodInfo *method, const char *id)
{
    g_autoptr(GString) words = g_string_new("(");

    for (GDBusArgInfo **arg = method->in_args; arg && *arg; arg++)
        if (id && arg == method->in_args)
            g_string_append_printf(words, "'%s', ", id);
        else
            g_string_append_printf(words, "%s, ", word_of(*arg));
    if (words->len > 1 && method->in_args[1]) /* a tuple of one element ends with a comma */
        g_string_truncate(words, words->len - 2);
    g_string_append_c(words, ')');
    return g_string_free(g_steal_pointer(&words), FALSE);
}

static guint
walk_interface(GDBusNodeInfo *node, const char *interface, const char *object, const char *id,
               WalkEach each, gpointer data)
{
    GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface(node, interface);
    guint count = 0;

    for (GDBusMethodInfo **m = info->methods; *m; m++) {
        g_autofree char *words = NULL;

        if (id && !((*m)->in_args && (*m)->in_args[0] && g_str_equal((*m)->in_args[0]->name, "id")))
            continue;
        words = words_of(*m, id);
        each(object, (*m)->name, words, data);
        count++;
    }
    return count;
}

guint
walk_sandbox(const char *id, WalkEach each, gpointer data)
{
    g_autofree char *object = g_strconcat(MANAGER "/sandbox/", id, NULL), *xml = NULL,
                    *process = g_strconcat(PROCESS_PREFIX, id, "_1", NULL);
    g_autoptr(GDBusNodeInfo) node = NULL;

    g_assert_true(g_file_get_contents(g_getenv("CLOCHE_XML"), &xml, NULL, NULL));
    node = g_dbus_node_info_new_for_xml(xml, NULL);
    g_assert_nonnull(node);
    each(object, PROPERTIES ".Get", "('" SANDBOX_INTERFACE "', 'Id')", data);
    each(object, PROPERTIES ".GetAll", "('" SANDBOX_INTERFACE "',)", data);
    return 2 + walk_interface(node, SANDBOX_INTERFACE, object, NULL, each, data) +
           walk_interface(node, "org.cloche1.Process", process, NULL, each, data) +
           walk_interface(node, "org.cloche1.Manager", MANAGER, id, each, data);
}
