/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client: calls and signals of org.cloche1 for tests. */
#include "client.h"

#include <string.h>

#define BUS_NAME "org.cloche1"
#define ERROR_PREFIX "org.cloche1.Error."
#define CALL_MS 60000
#define WAIT_S 30

static gboolean
on_too_late(gpointer data)
{
    g_error("timed out while waiting for an event");
    return G_SOURCE_REMOVE;
}

void
wait_until(const gboolean *what)
{
    guint timer = g_timeout_add_seconds(WAIT_S, on_too_late, NULL);

    while (!*what)
        g_main_context_iteration(NULL, /* may_block= */ TRUE);
    g_source_remove(timer);
}

static gboolean
on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

void
run_loop_for(guint ms)
{
    gboolean is_over = FALSE;

    g_timeout_add(ms, on_time, &is_over);
    wait_until(&is_over);
}

/* --- calls --- */

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Pending *pending = data;

    pending->answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &pending->error);
    pending->done = TRUE;
}

static const char *
own_interface(const char *object)
{
    if (g_str_equal(object, MANAGER))
        return "org.cloche1.Manager";
    return g_str_has_prefix(object, PROCESS_PREFIX) ? "org.cloche1.Process" : "org.cloche1.Sandbox";
}

static Pending *
start(GDBusConnection *bus, const char *object, const char *method, GDBusCallFlags flags,
      const char *words, va_list *ap)
{
    Pending *pending = g_new0(Pending, 1);
    const char *dot = strrchr(method, '.');
    g_autofree char *interface =
        dot ? g_strndup(method, (gsize)(dot - method)) : g_strdup(own_interface(object));
    GVariant *arguments = g_variant_new_parsed_va(words, ap);

    g_dbus_connection_call(bus, BUS_NAME, object, interface, dot ? dot + 1 : method, arguments,
                           /* reply_type= */ NULL, flags, CALL_MS, /* cancellable= */ NULL,
                           on_answer, pending);
    return pending;
}

Pending *
call_start(GDBusConnection *bus, const char *object, const char *method, const char *words, ...)
{
    Pending *pending;
    va_list ap;

    va_start(ap, words);
    pending = start(bus, object, method, G_DBUS_CALL_FLAGS_NONE, words, &ap);
    va_end(ap);
    return pending;
}

Pending *
call_start_interactively(GDBusConnection *bus, const char *object, const char *method,
                         const char *words, ...)
{
    Pending *pending;
    va_list ap;

    va_start(ap, words);
    pending =
        start(bus, object, method, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, words, &ap);
    va_end(ap);
    return pending;
}

void
pending_wait(Pending *pending)
{
    wait_until(&pending->done);
}

void
pending_free(Pending *pending)
{
    pending_wait(pending);
    g_clear_pointer(&pending->answer, g_variant_unref);
    g_clear_error(&pending->error);
    g_free(pending);
}

void
assert_error(const GError *error, const char *name, const char *message)
{
    g_autofree char *expected = g_strconcat(ERROR_PREFIX, name, NULL);
    g_autofree char *found = error ? g_dbus_error_get_remote_error(error) : g_strdup("no error");

    if (g_strcmp0(found, expected) != 0 || !strstr(error->message, message))
        g_error("expected %s with '%s', not %s: %s", expected, message, found,
                error ? error->message : "");
}

GVariant *
call(GDBusConnection *bus, const char *object, const char *method, const char *words, ...)
{
    g_autoptr(Pending) pending = NULL;
    va_list ap;

    va_start(ap, words);
    pending = start(bus, object, method, G_DBUS_CALL_FLAGS_NONE, words, &ap);
    va_end(ap);
    pending_wait(pending);
    if (pending->error)
        g_error("%s of %s: %s", method, object, pending->error->message);
    return g_steal_pointer(&pending->answer);
}

void
call_fails(GDBusConnection *bus, const char *object, const char *method, const char *name,
           const char *message, const char *words, ...)
{
    g_autoptr(Pending) pending = NULL;
    va_list ap;

    va_start(ap, words);
    pending = start(bus, object, method, G_DBUS_CALL_FLAGS_NONE, words, &ap);
    va_end(ap);
    pending_wait(pending);
    assert_error(pending->error, name, message);
}

/* --- frequent calls --- */

char *
create(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "CreateSandbox", NO_OPTIONS);
    char *path;

    g_variant_get(answer, "(o)", &path);
    return path;
}

void
kill_sandbox(GDBusConnection *bus, const char *sandbox)
{
    g_variant_unref(call(bus, sandbox, "Kill", "()"));
}

const char *
id_of(const char *sandbox)
{
    return strrchr(sandbox, '/') + 1;
}

GVariant *
get_property(GDBusConnection *bus, const char *object, const char *name)
{
    g_autoptr(GVariant) answer = call(bus, object, "org.freedesktop.DBus.Properties.Get",
                                      "(%s, %s)", own_interface(object), name);
    GVariant *value;

    g_variant_get(answer, "(v)", &value);
    return value;
}

GVariant *
get_all(GDBusConnection *bus, const char *object)
{
    g_autoptr(GVariant) answer =
        call(bus, object, "org.freedesktop.DBus.Properties.GetAll", "(%s,)", own_interface(object));

    return g_variant_get_child_value(answer, 0);
}

guint64
pool_figure(GDBusConnection *bus, const char *template, const char *name)
{
    g_autoptr(GVariant) pools = get_property(bus, MANAGER, "Pool");
    g_autoptr(GVariant) pool = g_variant_lookup_value(pools, template, G_VARIANT_TYPE_VARDICT);

    g_assert_nonnull(pool);
    return dict_number(pool, name);
}

void
wait_for_pool(GDBusConnection *bus, const char *template, const char *name, guint64 value)
{
    gint64 end_us = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;

    while (pool_figure(bus, template, name) != value)
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
}

static GVariant *
find_template(GDBusConnection *bus, const char *name)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListTemplates", "()");
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        g_autofree char *found = dict_string(entry, "name");

        if (g_str_equal(found, name))
            return g_steal_pointer(&entry);
    }
    g_error("ListTemplates does not list '%s'", name);
}

GVariant *
wait_for_template(GDBusConnection *bus, const char *name)
{
    g_autoptr(Listener) listener = listener_new(bus);

    for (;;) {
        g_autoptr(GVariant) entry = find_template(bus, name);
        g_autofree char *state = dict_string(entry, "state");

        if (g_str_equal(state, "ready") || g_str_equal(state, "failed"))
            return g_steal_pointer(&entry);
        g_variant_unref(listener_wait(listener, MANAGER, "TemplateChanged"));
    }
}

GVariant *
run_shell(GDBusConnection *bus, const char *sandbox, const char *words)
{
    return call(bus, sandbox, "Run", "(['sh', '-c', %s], @a{sv} {})", words);
}

char *
run_output(GDBusConnection *bus, const char *sandbox, const char *words)
{
    g_autoptr(GVariant) ran = run_shell(bus, sandbox, words);
    int status;
    char *out;

    g_variant_get(ran, "(iss@a{sv})", &status, &out, NULL, NULL);
    g_assert_cmpint(status, ==, 0);
    return out;
}

char *
code_output(GDBusConnection *bus, const char *sandbox, const char *code)
{
    g_autoptr(GVariant) answer = call(bus, sandbox, "RunCode", "(%s, @a{sv} {})", code);
    g_autoptr(GVariant) execution = g_variant_get_child_value(answer, 0);
    g_autofree char *status = dict_string(execution, "status");

    g_assert_cmpstr(status, ==, "ok");
    return dict_string(execution, "stdout");
}

static GVariant *
lookup(GVariant *dict, const char *key, const GVariantType *type)
{
    GVariant *value = g_variant_lookup_value(dict, key, NULL);

    if (!value || !g_variant_is_of_type(value, type))
        g_error("'%s' is missing or has another type than '%.*s'", key,
                (int)g_variant_type_get_string_length(type), g_variant_type_peek_string(type));
    return value;
}

guint64
dict_number(GVariant *dict, const char *key)
{
    g_autoptr(GVariant) value = lookup(dict, key, G_VARIANT_TYPE_BASIC);

    return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32(value)
                                                              : g_variant_get_uint64(value);
}

gboolean
dict_boolean(GVariant *dict, const char *key)
{
    g_autoptr(GVariant) value = lookup(dict, key, G_VARIANT_TYPE_BOOLEAN);

    return g_variant_get_boolean(value);
}

char *
dict_string(GVariant *dict, const char *key)
{
    g_autoptr(GVariant) value = lookup(dict, key, G_VARIANT_TYPE_STRING);

    return g_variant_dup_string(value, NULL);
}

/* --- signals --- */

typedef struct {
    char *object, *name;
    GVariant *parameters;
} Signal;

struct Listener {
    GDBusConnection *bus;
    guint subscription;
    GQueue heard; /* elements: Signal */
    gboolean is_new;
};

static void
signal_free(gpointer data)
{
    Signal *signal = data;

    g_free(signal->object);
    g_free(signal->name);
    g_variant_unref(signal->parameters);
    g_free(signal);
}

static void
on_signal(GDBusConnection *bus, const char *sender, const char *object, const char *interface,
          const char *name, GVariant *parameters, gpointer data)
{
    Listener *listener = data;
    Signal *signal = g_new0(Signal, 1);

    signal->object = g_strdup(object);
    signal->name = g_strdup(name);
    signal->parameters = g_variant_ref(parameters);
    g_queue_push_tail(&listener->heard, signal);
    listener->is_new = TRUE;
}

Listener *
listener_new_silent(GDBusConnection *bus)
{
    Listener *listener = g_new0(Listener, 1);

    listener->bus = g_object_ref(bus);
    g_queue_init(&listener->heard);
    listener->subscription = g_dbus_connection_signal_subscribe(
        bus, BUS_NAME, NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, listener, NULL);
    return listener;
}

Listener *
listener_new(GDBusConnection *bus)
{
    g_variant_unref(get_property(bus, MANAGER, "Version"));
    return listener_new_silent(bus);
}

void
listener_free(Listener *listener)
{
    g_dbus_connection_signal_unsubscribe(listener->bus, listener->subscription);
    g_queue_clear_full(&listener->heard, signal_free);
    g_object_unref(listener->bus);
    g_free(listener);
}

GVariant *
listener_wait(Listener *listener, const char *object, const char *name)
{
    for (;;) {
        Signal *signal;

        while ((signal = g_queue_pop_head(&listener->heard))) {
            g_autoptr(GVariant) parameters = g_variant_ref(signal->parameters);
            gboolean is_it = g_str_equal(signal->object, object) && g_str_equal(signal->name, name);

            signal_free(signal);
            if (is_it)
                return g_steal_pointer(&parameters);
        }
        listener->is_new = FALSE;
        wait_until(&listener->is_new);
    }
}

guint
listener_count(Listener *listener, const char *name)
{
    guint count = 0;

    for (GList *l = listener->heard.head; l; l = l->next)
        count += g_str_equal(((const Signal *)l->data)->name, name);
    return count;
}

gsize
count_managed(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer =
        call(bus, MANAGER, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", "()");
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);

    return g_variant_n_children(objects);
}

gboolean
is_in_tree(GDBusConnection *bus, const char *sandbox)
{
    g_autoptr(GVariant) tree =
        call(bus, MANAGER "/sandbox", "org.freedesktop.DBus.Introspectable.Introspect", "()");
    const char *xml;

    g_variant_get(tree, "(&s)", &xml);
    return strstr(xml, id_of(sandbox)) != NULL;
}
