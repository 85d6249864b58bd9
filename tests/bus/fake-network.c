/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-network COMMAND…: runs the command while a service with one sandbox is on its system bus,
 * whose network is what files of a folder say. The command finds the folder in FAKE_NETWORK.
 *
 *   calls         written: for each call its name and arguments, then "fd SEALS CONTENT" for each
 *                 descriptor that came with it
 *   network       the property Network (default: {'mode': <'off'>, 'state': <'off'>})
 *   traffic       the answers of GetTraffic, an aa{st}; the last one is repeated
 *   events        what WatchConnections gives
 *   hold          exists: its descriptor stays open
 *   fail-METHOD   exists: the method fails, with the name and the text of the error in the file
 *
 * A process of the sandbox is one of this machine. StreamCode() gives the code itself as events.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "abcdefghij234567"
#define SANDBOX "/org/cloche1/sandbox/" ID
#define PROCESS "/org/cloche1/process/" ID "_1"

static char *folder;
static int held = -1;
static GDBusMethodInvocation *waiting; /* of Wait() */
static gint wait_status = -1;          /* of the process that has ended */

static char *
read_control(const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, /* length= */ NULL, /* error= */ NULL);
    return text;
}

static GVariant *
read_value(const char *name, const char *type, const char *otherwise)
{
    g_autofree char *text = read_control(name);
    g_autoptr(GError) error = NULL;
    GVariant *value =
        g_variant_parse(G_VARIANT_TYPE(type), text != NULL ? text : otherwise, NULL, NULL, &error);

    g_assert_no_error(error);
    return value;
}

static void
write_value(const char *name, GVariant *value)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = g_variant_print(value, /* type_annotate= */ TRUE);

    g_assert_true(g_file_set_contents(path, text, -1, /* error= */ NULL));
}

/* --- calls --- */

static void
log_descriptors(FILE *log, GDBusMessage *message)
{
    GUnixFDList *fds = g_dbus_message_get_unix_fd_list(message);
    int n = fds != NULL ? g_unix_fd_list_get_length(fds) : 0;

    for (int i = 0; i < n; i++) {
        int fd = g_unix_fd_list_peek_fds(fds, /* length= */ NULL)[i];
        char content[16384] = "";
        ssize_t size = pread(fd, content, sizeof content - 1, 0);

        fprintf(log, "fd %d %.*s\n", fcntl(fd, F_GET_SEALS), (int)MAX(size, 0), content);
    }
}

static void
log_call(const char *method, GVariant *arguments, GDBusMethodInvocation *call)
{
    g_autofree char *path = g_build_filename(folder, "calls", NULL);
    g_autofree char *text = g_variant_print(arguments, /* type_annotate= */ TRUE);
    FILE *log = fopen(path, "ae");

    g_assert_nonnull(log);
    fprintf(log, "%s %s\n", method, text);
    log_descriptors(log, g_dbus_method_invocation_get_message(call));
    fclose(log);
}

static gboolean
fails(const char *method, GDBusMethodInvocation *call)
{
    g_autofree char *name = g_strconcat("fail-", method, NULL);
    g_autofree char *text = read_control(name);
    char *space = text != NULL ? strchr(text, ' ') : NULL;

    if (space == NULL)
        return FALSE;
    *space = '\0';
    g_dbus_method_invocation_return_dbus_error(call, text, space + 1);
    return TRUE;
}

static void
return_fd(GDBusMethodInvocation *call, int fd)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);

    g_dbus_method_invocation_return_value_with_unix_fd_list(call, g_variant_new("(h)", 0), fds);
}

/* Returns the end of a socket from which the text comes. */
static int
open_text(const char *text, gboolean stays_open)
{
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_cmpint(write(ends[1], text, strlen(text)), ==, strlen(text));
    if (stays_open)
        held = ends[1];
    else
        close(ends[1]);
    return ends[0];
}

static void
watch(GDBusMethodInvocation *call)
{
    g_autofree char *events = read_control("events");
    g_autofree char *hold = read_control("hold");

    return_fd(call, open_text(events != NULL ? events : "", hold != NULL));
}

/* Returns the first answer of the file, and leaves the others for the next calls. */
static void
return_traffic(GDBusMethodInvocation *call)
{
    g_autoptr(GVariant) all = read_value("traffic", "aa{st}", "[{'refused': 0}]");
    g_autoptr(GVariant) figures = g_variant_get_child_value(all, 0);
    g_auto(GVariantBuilder) others = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{st}"));
    g_autoptr(GVariant) rest = NULL;

    for (gsize i = 1; i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) other = g_variant_get_child_value(all, i);

        g_variant_builder_add_value(&others, other);
    }
    rest = g_variant_ref_sink(g_variant_builder_end(&others));
    if (g_variant_n_children(rest) > 0)
        write_value("traffic", rest);
    g_dbus_method_invocation_return_value(call, g_variant_new("(@a{st})", figures));
}

/* --- processes --- */

static void
return_end(int number, const char *how)
{
    g_dbus_method_invocation_return_value(g_steal_pointer(&waiting),
                                          g_variant_new("(isa{sv})", number, how, NULL));
}

static void
answer_wait(void)
{
    if (waiting == NULL || wait_status < 0)
        return;
    if (WIFEXITED(wait_status))
        return_end(WEXITSTATUS(wait_status), "exited");
    else
        return_end(WTERMSIG(wait_status), "signaled");
}

static void
on_ended(GPid pid, gint status, gpointer unused)
{
    wait_status = status;
    answer_wait();
}

static void
start(GVariant *arguments, GDBusMethodInvocation *call)
{
    g_autofree const char **argv = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) error = NULL;
    int ends[3];
    GPid pid;

    g_variant_get_child(arguments, 0, "^a&s", &argv);
    wait_status = -1;
    g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                             &ends[0], &ends[1], &ends[2], &error);
    g_assert_no_error(error);
    g_child_watch_add(pid, on_ended, NULL);
    fds = g_unix_fd_list_new_from_array(ends, 3);
    g_dbus_method_invocation_return_value_with_unix_fd_list(
        call, g_variant_new("(ohhh)", PROCESS, 0, 1, 2), fds);
}

static void
wait_for_process(GDBusMethodInvocation *call)
{
    waiting = call;
    answer_wait();
}

/* --- objects --- */

static void
return_value(GDBusMethodInvocation *call, const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(/* type= */ NULL, text, NULL, NULL, &error);

    g_assert_no_error(error);
    g_dbus_method_invocation_return_value(call, value);
    g_variant_unref(value);
}

static void
stream_code(GVariant *arguments, GDBusMethodInvocation *call)
{
    const char *code;
    g_autofree char *events = NULL;

    g_variant_get_child(arguments, 0, "&s", &code);
    events = g_strconcat(code, "\n", NULL);
    return_fd(call, open_text(events, /* stays_open= */ FALSE));
}

static void
on_call(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *arguments, GDBusMethodInvocation *call, gpointer unused)
{
    static const struct {
        const char *method, *answer;
    } answers[] = {
        {"CreateSandbox", "(objectpath '" SANDBOX "',)"},
        {"GetSandbox", "(objectpath '" SANDBOX "',)"},
        {"ListTemplates",
         "([{'name': <'python'>, 'state': <'ready'>, 'languages': <['python']>}],)"},
        {"Run", "(1, '', 'Could not resolve host: a', {'how': <'exited'>})"},
        {"ListSandboxes", "(@a(oa{sv}) [], '')"},
    };

    log_call(method, arguments, call);
    if (fails(method, call))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
        if (g_str_equal(method, answers[i].method)) {
            return_value(call, answers[i].answer);
            return;
        }
    }
    if (g_str_equal(method, "GetTraffic"))
        return_traffic(call);
    else if (g_str_equal(method, "WatchConnections"))
        watch(call);
    else if (g_str_equal(method, "Start"))
        start(arguments, call);
    else if (g_str_equal(method, "Wait"))
        wait_for_process(call);
    else if (g_str_equal(method, "StreamCode"))
        stream_code(arguments, call);
    else
        g_dbus_method_invocation_return_value(call, /* parameters= */ NULL);
}

static GVariant *
get_property(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
             const char *name, GError **error, gpointer unused)
{
    static const struct {
        const char *name, *value;
    } values[] = {{"DefaultTemplate", "'python'"},
                  {"Template", "'python'"},
                  {"Accelerator", "'kvm'"},
                  {"Emulated", "false"},
                  {"Limits", "{'lifetime': <uint64 86400>}"}};
    GVariant *value;

    if (g_str_equal(name, "Network")) {
        value = read_value("network", "a{sv}", "{'mode': <'off'>, 'state': <'off'>}");
        return value;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        if (g_str_equal(name, values[i].name))
            return g_variant_parse(NULL, values[i].value, NULL, NULL, error);
    }
    g_set_error_literal(error, G_DBUS_ERROR, G_DBUS_ERROR_FAILED, "not a property of the fake");
    return NULL;
}

static void
register_objects(GDBusConnection *bus)
{
    static const char *const objects[][2] = {{"/org/cloche1", "org.cloche1.Manager"},
                                             {SANDBOX, "org.cloche1.Sandbox"},
                                             {PROCESS, "org.cloche1.Process"}};
    static const GDBusInterfaceVTable table = {on_call, get_property, NULL, {0}};
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    g_autoptr(GDBusNodeInfo) node = NULL;

    g_file_get_contents(g_getenv("CLOCHE_XML"), &xml, NULL, &error);
    g_assert_no_error(error);
    node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(objects); i++) {
        g_dbus_connection_register_object(
            bus, objects[i][0], g_dbus_node_info_lookup_interface(node, objects[i][1]), &table,
            /* data= */ NULL, /* destroy= */ NULL, &error);
        g_assert_no_error(error);
    }
}

/* --- the command --- */

static void
on_name(GDBusConnection *bus, const char *name, gpointer has_name)
{
    *(gboolean *)has_name = TRUE;
}

static void
own_name(GDBusConnection *bus)
{
    gboolean has_name = FALSE;

    g_bus_own_name_on_connection(bus, "org.cloche1", G_BUS_NAME_OWNER_FLAGS_NONE, on_name, NULL,
                                 &has_name, NULL);
    while (!has_name)
        g_main_context_iteration(NULL, TRUE);
}

static void
on_over(GObject *command, GAsyncResult *result, gpointer is_over)
{
    *(gboolean *)is_over = TRUE;
}

static int
run(GTestDBus *daemon, char **argv)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GSubprocess) command = NULL;
    g_autoptr(GError) error = NULL;
    gboolean is_over = FALSE;

    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS",
                                 g_test_dbus_get_bus_address(daemon), TRUE);
    g_subprocess_launcher_setenv(launcher, "FAKE_NETWORK", folder, TRUE);
    command = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    g_assert_no_error(error);
    g_subprocess_wait_async(command, NULL, on_over, &is_over);
    while (!is_over)
        g_main_context_iteration(NULL, TRUE);
    return g_subprocess_get_if_exited(command) ? g_subprocess_get_exit_status(command) : 1;
}

int
main(int argc, char **argv)
{
    g_autoptr(GTestDBus) daemon = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    folder = g_dir_make_tmp("fake-network-XXXXXX", &error);
    g_assert_no_error(error);
    g_test_dbus_up(daemon);
    bus = g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(daemon),
                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                 /* observer= */ NULL, /* cancellable= */ NULL,
                                                 &error);
    g_assert_no_error(error);
    register_objects(bus);
    own_name(bus);
    status = run(daemon, argv + 1);
    g_test_dbus_stop(daemon);
    g_rmdir(folder);
    g_free(folder);
    return status;
}
