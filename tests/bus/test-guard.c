/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-guard: the table of permissions and the table of errors agree with the interface's XML and
 * polkit's policy.
 */
#include <gio/gio.h>
#include <string.h>

#include "error.h"
#include "guard.h"

static char *xml, *policy;
static GDBusNodeInfo *node;

static gboolean
is_ours(const GDBusInterfaceInfo *interface)
{
    return g_str_has_prefix(interface->name, "org.cloche1.");
}

static void
test_methods_have_rows(void)
{
    guint count = 0;

    for (GDBusInterfaceInfo **i = node->interfaces; *i; i++)
        for (GDBusMethodInfo **m = (*i)->methods; m && *m; m++, count++) {
            const Method *method = guard_find((*i)->name, (*m)->name);

            g_assert_true(is_ours(*i));
            if (!method || method->access == ACCESS_NOBODY)
                g_error("%s.%s has no row in the guard's table", (*i)->name, (*m)->name);
            g_assert_nonnull(method->handle);
        }
    g_assert_cmpint(count, >=, 10);
}

static void
test_rows_have_methods(void)
{
    gsize count;
    const Method *rows = guard_methods(&count);

    for (gsize i = 0; i < count; i++) {
        GDBusInterfaceInfo *interface = g_dbus_node_info_lookup_interface(node, rows[i].interface);

        if (g_str_has_prefix(rows[i].interface, "org.freedesktop.DBus."))
            continue;
        if (!interface || !g_dbus_interface_info_lookup_method(interface, rows[i].method))
            g_error("the guard has a row for %s.%s, which is not a method", rows[i].interface,
                    rows[i].method);
    }
}

/* A handler of a sandbox's method must never run without a check of the caller. */
static void
test_sandboxes_are_their_owners(void)
{
    GDBusInterfaceInfo *sandbox = g_dbus_node_info_lookup_interface(node, "org.cloche1.Sandbox");

    for (GDBusMethodInfo **m = sandbox->methods; *m; m++)
        g_assert_cmpint(guard_find(sandbox->name, (*m)->name)->access, ==, ACCESS_SANDBOX);
}

/* --- polkit's policy --- */

/* Every declared action has a description, a message, and defaults for each kind of session. */
static void
test_actions_are_whole(void)
{
    static const char *const parts[] = {
        "<description gettext-domain=\"cloche\">[^<]{10,}</description>",
        "<message gettext-domain=\"cloche\">Authentication is required to [^<]+\\.</message>",
        "<allow_any>[a-z_]+</allow_any>",
        "<allow_inactive>[a-z_]+</allow_inactive>",
        "<allow_active>[a-z_]+</allow_active>",
        "owner\">unix-user:cloche</annotate>",
    };
    g_auto(GStrv) actions = g_strsplit(policy, "<action id=\"", -1);
    guint count = g_strv_length(actions) - 1;

    g_assert_cmpuint(count, ==, 7);
    for (guint i = 1; i <= count; i++)
        for (gsize part = 0; part < G_N_ELEMENTS(parts); part++)
            if (!g_regex_match_simple(parts[part], actions[i], 0, 0))
                g_error("%s: the action %.40s has no %s", "org.cloche1.policy", actions[i],
                        parts[part]);
}

/* The policy declares every action that the guard may request. */
static void
test_actions_are_declared(void)
{
    gsize count;
    const char *const *actions = guard_actions(&count);

    g_assert_cmpuint(count, ==, 5);
    for (gsize i = 0; i < count; i++) {
        g_autofree char *declaration = g_strdup_printf("<action id=\"%s\">", actions[i]);

        if (!strstr(policy, declaration))
            g_error("the policy does not declare %s", actions[i]);
    }
}

static void
test_unknown_methods_are_closed(void)
{
    g_assert_null(guard_find("org.cloche1.Manager", "Shutdown"));
    g_assert_null(guard_find("org.cloche1.Manager", "Run"));
    g_assert_null(guard_find("org.cloche1.Other", "RunCode"));
}

static void
test_nothing_is_writable(void)
{
    for (GDBusInterfaceInfo **i = node->interfaces; *i; i++)
        for (GDBusPropertyInfo **p = (*i)->properties; p && *p; p++)
            g_assert_cmpint((*p)->flags, ==, G_DBUS_PROPERTY_INFO_FLAGS_READABLE);
}

static void
test_errors_are_documented(void)
{
    const char *list = strstr(xml, "Errors are org.cloche1.Error.NAME:");
    const char *end = list ? strstr(list, "-->") : NULL;
    g_autofree char *text = end ? g_strndup(list, (gsize)(end - list)) : NULL;

    g_assert_nonnull(text);
    for (int code = 0; code < _CLOCHE_ERROR_MAX; code++) {
        g_autofree char *pattern =
            g_strdup_printf("\\n    ([A-Za-z]+, )*%s[ ,\\n]", cloche_error_name(code));

        if (!g_regex_match_simple(pattern, text, 0, 0))
            g_error("%s is not documented", cloche_error_name(code));
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_file_get_contents(g_getenv("CLOCHE_XML"), &xml, NULL, &error);
    g_assert_no_error(error);
    g_file_get_contents(g_getenv("CLOCHE_POLICY"), &policy, NULL, &error);
    g_assert_no_error(error);
    node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    g_test_add_func("/guard/methods-have-rows", test_methods_have_rows);
    g_test_add_func("/guard/rows-have-methods", test_rows_have_methods);
    g_test_add_func("/guard/sandboxes-are-their-owners", test_sandboxes_are_their_owners);
    g_test_add_func("/guard/actions-are-whole", test_actions_are_whole);
    g_test_add_func("/guard/actions-are-declared", test_actions_are_declared);
    g_test_add_func("/guard/unknown-methods-are-closed", test_unknown_methods_are_closed);
    g_test_add_func("/guard/nothing-is-writable", test_nothing_is_writable);
    g_test_add_func("/guard/errors-are-documented", test_errors_are_documented);
    status = g_test_run();
    g_dbus_node_info_unref(node);
    g_free(xml);
    g_free(policy);
    return status;
}
