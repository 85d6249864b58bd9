/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-polkit POLICY: takes the place of polkit on the bus of a test, which sets the answers.
 *
 * By default, it answers as the file POLICY says for callers without a session and an agent:
 * actions that need a password are refused. Like polkit, it refuses actions that are not in the
 * file. It is a separate process, so that the test can wait for something else meanwhile. polkit.h
 * controls it.
 */
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "org.freedesktop.PolicyKit1"
#define PATH "/org/freedesktop/PolicyKit1/Authority"
#define AUTHORITY "org.freedesktop.PolicyKit1.Authority"
#define ERROR "org.freedesktop.PolicyKit1.Error."

static const char xml[] =
    "<node><interface name='" AUTHORITY "'>"
    "<method name='CheckAuthorization'><arg name='subject' type='(sa{sv})'/>"
    "<arg name='action' type='s'/><arg name='details' type='a{ss}'/><arg name='flags' type='u'/>"
    "<arg name='cancellation' type='s'/><arg name='result' type='(bba{ss})' direction='out'/>"
    "</method>"
    "<method name='CancelCheckAuthorization'><arg name='cancellation' type='s'/></method>"
    "<signal name='Changed'/>"
    "<property name='BackendVersion' type='s' access='read'/>"
    "</interface><interface name='org.cloche1.FakePolkit'>"
    "<method name='SetAnswer'><arg name='action' type='s'/><arg name='answer' type='s'/></method>"
    "<method name='Release'><arg name='permit' type='b'/></method>"
    "<method name='CountQuestions'><arg name='count' type='u' direction='out'/></method>"
    "<method name='CountHeld'><arg name='interactive' type='b'/>"
    "<arg name='count' type='u' direction='out'/></method>"
    "<method name='TakeQuestion'><arg name='subject' type='s' direction='out'/>"
    "<arg name='action' type='s' direction='out'/>"
    "<arg name='details' type='a{ss}' direction='out'/>"
    "<arg name='flags' type='u' direction='out'/></method>"
    "<method name='TakeCancelled'><arg name='action' type='s' direction='out'/></method>"
    "<method name='Change'/>"
    "</interface></node>";

typedef struct {
    GDBusMethodInvocation *invocation;
    char *action, *sender, *cancellation;
    gboolean is_interactive;
} Held;

static GDBusNodeInfo *node;
static GHashTable *defaults; /* action → "yes" or "no" */
static GHashTable *answers;  /* action → "yes", "no", "auth", "hold" */
/* GVariant: those that the test has not taken yet. */
static GQueue questions = G_QUEUE_INIT, cancelled = G_QUEUE_INIT;
static GQueue held = G_QUEUE_INIT;
/* The test's call that waits for the next question or cancellation, or NULL. */
static GDBusMethodInvocation *question_taker, *cancelled_taker;

/* --- reports to the test --- */

static void
give(GDBusMethodInvocation **taker, GQueue *queue)
{
    if (!*taker || g_queue_is_empty(queue))
        return;
    g_dbus_method_invocation_return_value(*taker, g_queue_peek_head(queue));
    g_variant_unref(g_queue_pop_head(queue));
    *taker = NULL;
}

static void
take(GDBusMethodInvocation **taker, GQueue *queue, GDBusMethodInvocation *invocation)
{
    g_assert(!*taker);
    *taker = invocation;
    give(taker, queue);
}

/* --- questions --- */

static void
reply(GDBusMethodInvocation *invocation, gboolean is_authorized, gboolean is_challenge)
{
    g_dbus_method_invocation_return_value(
        invocation, g_variant_new("((bb@a{ss}))", is_authorized, is_challenge,
                                  g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0)));
}

static void
hold(GDBusMethodInvocation *invocation, const char *action, const char *cancellation,
     gboolean is_interactive)
{
    Held *entry = g_new0(Held, 1);

    entry->invocation = invocation;
    entry->action = g_strdup(action);
    entry->sender = g_strdup(g_dbus_method_invocation_get_sender(invocation));
    entry->cancellation = g_strdup(cancellation);
    entry->is_interactive = is_interactive;
    g_queue_push_tail(&held, entry);
}

static void
held_free(Held *entry)
{
    g_free(entry->action);
    g_free(entry->sender);
    g_free(entry->cancellation);
    g_free(entry);
}

static void
check(GDBusMethodInvocation *invocation, GVariant *parameters)
{
    g_autoptr(GVariant) subject = NULL, details = NULL;
    const char *kind, *action, *cancellation, *answer, *name = "";
    guint32 flags;

    g_variant_get(parameters, "((&s@a{sv})&s@a{ss}u&s)", &kind, &subject, &action, &details, &flags,
                  &cancellation);
    g_assert_cmpstr(kind, ==, "system-bus-name");
    g_assert_true(g_variant_lookup(subject, "name", "&s", &name));
    answer = g_hash_table_lookup(answers, action);
    if (!answer)
        answer = g_hash_table_lookup(defaults, action);
    if (!answer) {
        g_dbus_method_invocation_return_dbus_error(invocation, ERROR "Failed",
                                                   "The action is not registered");
        return;
    }
    g_queue_push_tail(
        &questions, g_variant_ref_sink(g_variant_new("(ss@a{ss}u)", name, action, details, flags)));
    if (g_str_equal(answer, "lost-once")) {
        g_hash_table_insert(answers, g_strdup(action), g_strdup("yes"));
        g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.DBus.Error.NoReply",
                                                   "The test's polkit has left");
        return;
    }
    if (g_str_equal(answer, "lose-once")) {
        g_hash_table_insert(answers, g_strdup(action), g_strdup("yes"));
        g_object_unref(invocation);
        return;
    }
    if (g_str_equal(answer, "hold") || (g_str_equal(answer, "auth") && (flags & 1)))
        hold(invocation, action, cancellation, flags & 1);
    else
        reply(invocation, g_str_equal(answer, "yes"), g_str_equal(answer, "auth"));
}

/* Like polkit, it replies to the cancelled question as if the dialog had been dismissed. */
static void
cancel(GDBusMethodInvocation *invocation, const char *cancellation)
{
    for (GList *l = held.head; l; l = l->next) {
        Held *entry = l->data;

        if (!g_str_equal(entry->cancellation, cancellation) ||
            !g_str_equal(entry->sender, g_dbus_method_invocation_get_sender(invocation)))
            continue;
        reply(entry->invocation, FALSE, FALSE);
        g_dbus_method_invocation_return_value(invocation, NULL);
        g_queue_push_tail(&cancelled, g_variant_ref_sink(g_variant_new("(s)", entry->action)));
        give(&cancelled_taker, &cancelled);
        g_queue_delete_link(&held, l);
        held_free(entry);
        return;
    }
    g_dbus_method_invocation_return_dbus_error(invocation, ERROR "Failed", "There is no such id");
}

static void
release(gboolean permit)
{
    Held *entry;

    while ((entry = g_queue_pop_head(&held))) {
        reply(entry->invocation, permit, FALSE);
        held_free(entry);
    }
}

static guint
count_held(gboolean is_interactive)
{
    guint count = 0;

    for (GList *l = held.head; l; l = l->next)
        count += ((Held *)l->data)->is_interactive == is_interactive;
    return count;
}

/* --- the bus --- */

static void
on_call(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    const char *first = NULL, *second;
    gboolean permit;

    if (g_variant_is_of_type(parameters, G_VARIANT_TYPE("(s*)")) ||
        g_variant_is_of_type(parameters, G_VARIANT_TYPE("(s)")))
        g_variant_get_child(parameters, 0, "&s", &first);
    if (g_str_equal(method, "CheckAuthorization")) {
        check(invocation, parameters);
        give(&question_taker, &questions); /* the service gets its reply before the test */
        return;
    }
    if (g_str_equal(method, "CancelCheckAuthorization")) {
        cancel(invocation, first);
        return;
    }
    if (g_str_equal(method, "TakeQuestion")) {
        take(&question_taker, &questions, invocation);
        return;
    }
    if (g_str_equal(method, "TakeCancelled")) {
        take(&cancelled_taker, &cancelled, invocation);
        return;
    }
    if (g_str_equal(method, "CountQuestions")) {
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(u)", questions.length));
        return;
    }
    if (g_str_equal(method, "CountHeld")) {
        gboolean is_interactive;

        g_variant_get(parameters, "(b)", &is_interactive);
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(u)", count_held(is_interactive)));
        return;
    }
    if (g_str_equal(method, "SetAnswer")) {
        g_variant_get_child(parameters, 1, "&s", &second);
        if (*second)
            g_hash_table_insert(answers, g_strdup(first), g_strdup(second));
        else
            g_hash_table_remove(answers, first);
    } else if (g_str_equal(method, "Release")) {
        g_variant_get(parameters, "(b)", &permit);
        release(permit);
    } else {
        g_dbus_connection_emit_signal(bus, NULL, PATH, AUTHORITY, "Changed", NULL, NULL);
    }
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static GVariant *
get_property(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
             const char *property, GError **error, gpointer data)
{
    return g_variant_new_string("fake");
}

static const GDBusInterfaceVTable vtable = {.method_call = on_call, .get_property = get_property};

static void
on_bus(GDBusConnection *bus, const char *name, gpointer data)
{
    for (GDBusInterfaceInfo **interface = node->interfaces; *interface; interface++)
        if (!g_dbus_connection_register_object(bus, PATH, *interface, &vtable, NULL, NULL, NULL))
            g_error("fake-polkit: cannot export %s", (*interface)->name);
}

static void
on_name_lost(GDBusConnection *bus, const char *name, gpointer data)
{
    g_error("fake-polkit: cannot own the name %s", name);
}

/* --- the policy file --- */

static void
read_defaults(const char *path)
{
    g_autoptr(GRegex) regex =
        g_regex_new("<action id=\"([^\"]+)\">.*?<allow_any>([a-z_]+)<", G_REGEX_DOTALL, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error))
        g_error("fake-polkit: %s", error->message);
    g_regex_match(regex, text, 0, &match);
    for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *allow = g_match_info_fetch(match, 2);

        g_hash_table_insert(defaults, g_match_info_fetch(match, 1),
                            g_str_equal(allow, "yes") ? "yes" : "no");
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);

    defaults = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    node = g_dbus_node_info_new_for_xml(xml, NULL);
    read_defaults(argv[1]);
    g_bus_own_name(G_BUS_TYPE_SYSTEM, NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_bus, NULL,
                   on_name_lost, NULL, NULL);
    g_main_loop_run(loop);
    return 0;
}
