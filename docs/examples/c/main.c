/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drives a sandbox with proxies that gdbus-codegen generates from the API's XML. */
#define _GNU_SOURCE
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cloche-api.h"

#define BUS_NAME "org.cloche1"
#define NO_LIMIT G_MAXINT /* Run, RunCode and Wait return when the work is done */

static GVariant *
no_options(void)
{
    return g_variant_new("a{sv}", NULL);
}

/* Returns a duplicate, which the caller closes. A pipe ends only when the list was freed, too. */
static int
take_fd(GUnixFDList *list, GVariant *handle)
{
    int fd = g_unix_fd_list_get(list, g_variant_get_handle(handle), NULL);

    g_variant_unref(handle);
    return fd;
}

static GDataInputStream *
open_lines(int fd)
{
    g_autoptr(GInputStream) base = g_unix_input_stream_new(fd, TRUE);

    return g_data_input_stream_new(base);
}

static char *
read_line(GDataInputStream *stream, GError **error)
{
    return g_data_input_stream_read_line_utf8(stream, NULL, NULL, error);
}

/* Reads to the end. Fails with G_IO_ERROR_CONNECTION_CLOSED if complete data was cut off. */
static char *
read_all(int fd, GError **error)
{
    g_autoptr(GInputStream) from = g_unix_input_stream_new(fd, TRUE);
    g_autoptr(GOutputStream) to = g_memory_output_stream_new_resizable();

    if (g_output_stream_splice(to, from, G_OUTPUT_STREAM_SPLICE_NONE, NULL, error) < 0 ||
        !g_output_stream_write_all(to, "", 1, NULL, NULL, error) ||
        !g_output_stream_close(to, NULL, error))
        return NULL;
    return g_memory_output_stream_steal_data(G_MEMORY_OUTPUT_STREAM(to));
}

static gboolean
run(ClocheSandbox *sandbox, GError **error)
{
    const char *const argv[] = {"tr", "a-z", "A-Z", NULL};
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GVariant) details = NULL;
    const char *how;
    int status;

    g_variant_dict_insert(&options, "stdin", "s", "hello");
    g_variant_dict_insert(&options, "timeout", "t", G_GUINT64_CONSTANT(60));
    if (!cloche_sandbox_call_run_sync(sandbox, argv, g_variant_dict_end(&options), &status, &out,
                                      &err, &details, NULL, error))
        return FALSE;
    g_variant_lookup(details, "how", "&s", &how);
    printf("run: %d %s %s\n", status, out, how);
    return TRUE;
}

/* A process, and this program's ends of its pipes. */
typedef struct {
    ClocheProcess *proxy;
    int in, out, err;
} Process;

static gboolean
start(ClocheSandbox *sandbox, const char *const *argv, Process *process, GError **error)
{
    GDBusConnection *bus = g_dbus_proxy_get_connection(G_DBUS_PROXY(sandbox));
    g_autofree char *path = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    GVariant *in, *out, *err;

    if (!cloche_sandbox_call_start_sync(sandbox, argv, no_options(), NULL, &path, &in, &out, &err,
                                        &fds, NULL, error))
        return FALSE;
    *process =
        (Process){.in = take_fd(fds, in), .out = take_fd(fds, out), .err = take_fd(fds, err)};
    process->proxy = cloche_process_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES,
                                                   BUS_NAME, path, NULL, error);
    if (!process->proxy)
        return FALSE;
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(process->proxy), NO_LIMIT);
    return TRUE;
}

static gboolean
stream(ClocheSandbox *sandbox, GError **error)
{
    const char *const argv[] = {"sh", "-c", "while read -r line; do echo got $line; done; exit 3",
                                NULL};
    const char *const words[] = {"one", "two"};
    g_autoptr(GDataInputStream) answers = NULL;
    g_autoptr(ClocheProcess) proxy = NULL;
    g_autofree char *how = NULL;
    g_autoptr(GVariant) usage = NULL;
    Process process;
    int status;

    if (!start(sandbox, argv, &process, error))
        return FALSE;
    proxy = process.proxy;
    answers = open_lines(process.out);
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        dprintf(process.in, "%s\n", words[i]);
        g_autofree char *line = read_line(answers, error);
        if (!line)
            return FALSE;
        printf("stream: %s\n", line);
    }
    close(process.in);
    close(process.err);
    if (!cloche_process_call_wait_sync(proxy, &status, &how, &usage, NULL, error))
        return FALSE;
    printf("stream: %s %d\n", how, status);
    return TRUE;
}

static gboolean
write_file(ClocheSandbox *sandbox, const char *path, const char *text, GError **error)
{
    int fd = memfd_create("text", MFD_CLOEXEC); /* a pipe or a socket works, too */
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    guint64 written;

    dprintf(fd, "%s", text);
    lseek(fd, 0, SEEK_SET);
    return cloche_sandbox_call_write_file_sync(sandbox, path, g_variant_new_handle(0), no_options(),
                                               fds, &written, NULL, NULL, error);
}

static char *
read_file(ClocheSandbox *sandbox, const char *path, GError **error)
{
    g_autoptr(GUnixFDList) fds = NULL;
    GVariant *handle;

    if (!cloche_sandbox_call_read_file_sync(sandbox, path, no_options(), NULL, &handle, &fds, NULL,
                                            error))
        return NULL;
    return read_all(take_fd(fds, handle), error);
}

/* Returns FALSE at the end, with `next` empty and no error; or with an error and `next` NULL. */
static gboolean
list_some(ClocheSandbox *sandbox, const char *path, char **next, GError **error)
{
    g_autofree char *after = g_steal_pointer(next);
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GVariant) entries = NULL;

    g_variant_dict_insert(&options, "after", "s", after);
    if (!cloche_sandbox_call_list_directory_sync(sandbox, path, g_variant_dict_end(&options),
                                                 &entries, next, NULL, error))
        return FALSE;
    for (gsize i = 0; i < g_variant_n_children(entries); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(entries, i);
        const char *name = "", *type = "";
        guint64 size = 0;

        g_variant_lookup(entry, "name", "&s", &name);
        g_variant_lookup(entry, "type", "&s", &type);
        g_variant_lookup(entry, "size", "t", &size);
        printf("list: %s %s %" G_GUINT64_FORMAT "\n", type, name, size);
    }
    return **next != '\0';
}

static gboolean
files(ClocheSandbox *sandbox, GError **error)
{
    g_autofree char *text = NULL, *next = g_strdup("");

    if (!write_file(sandbox, "notes/today.txt", "remember the milk\n", error) ||
        !(text = read_file(sandbox, "notes/today.txt", error)))
        return FALSE;
    printf("file: %s", text);
    while (list_some(sandbox, "notes", &next, error))
        ;
    return next != NULL;
}

/* Each event is a line of JSON. To parse it, use a library such as json-glib. */
static gboolean
watch(ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GDataInputStream) events = NULL;
    g_autofree char *ready = NULL, *event = NULL;
    GVariant *handle;

    if (!cloche_sandbox_call_watch_sync(sandbox, "notes", no_options(), NULL, &handle, &fds, NULL,
                                        error))
        return FALSE;
    events = open_lines(take_fd(fds, handle)); /* closing it ends the watch */
    if (!(ready = read_line(events, error)) ||
        !cloche_sandbox_call_remove_sync(sandbox, "notes/today.txt", no_options(), NULL, error) ||
        !(event = read_line(events, error)))
        return FALSE;
    printf("watch: %s\n", event);
    return TRUE;
}

static gboolean
ask_port(ClocheSandbox *sandbox, guint16 number, GError **error)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GDataInputStream) answer = NULL;
    g_autofree char *line = NULL;
    GVariant *handle;

    if (!cloche_sandbox_call_open_port_sync(sandbox, number, no_options(), NULL, &handle, &fds,
                                            NULL, error))
        return FALSE;
    int fd = take_fd(fds, handle);
    dprintf(fd, "HEAD / HTTP/1.0\r\n\r\n");
    answer = open_lines(fd);
    line = read_line(answer, error);
    if (line)
        printf("port: %s\n", g_strchomp(line));
    return line != NULL;
}

static gboolean
port(ClocheSandbox *sandbox, GError **error)
{
    const char *const argv[] = {"python3", "-u",        "-m", "http.server",
                                "--bind",  "127.0.0.1", "0",  NULL};
    g_autoptr(GDataInputStream) output = NULL;
    g_autoptr(ClocheProcess) server = NULL;
    g_autofree char *line = NULL;
    unsigned number = 0;
    Process process;

    if (!start(sandbox, argv, &process, error))
        return FALSE;
    server = process.proxy;
    output = open_lines(process.out);
    line = read_line(output, error); /* printed when it listens */
    gboolean is_well = line && sscanf(line, "Serving HTTP on %*s port %u", &number) == 1 &&
                       ask_port(sandbox, (guint16)number, error) &&
                       cloche_process_call_kill_sync(server, NULL, error);
    close(process.in);
    close(process.err);
    return is_well;
}

static gboolean
code(ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GVariant) first = NULL, second = NULL, results = NULL, result = NULL, data = NULL;
    const char *out = "", *value = "";

    if (!cloche_sandbox_call_run_code_sync(sandbox, "x = 6", no_options(), &first, NULL, error) ||
        !cloche_sandbox_call_run_code_sync(sandbox, "print('computing'); x * 7", no_options(),
                                           &second, NULL, error))
        return FALSE;
    g_variant_lookup(second, "stdout", "&s", &out);
    results = g_variant_lookup_value(second, "results", G_VARIANT_TYPE("aa{sv}"));
    result = g_variant_get_child_value(results, 0);
    data = g_variant_lookup_value(result, "data", G_VARIANT_TYPE_VARDICT);
    g_variant_lookup(data, "text/plain", "&s", &value);
    printf("code: %.*s %s\n", (int)strcspn(out, "\n"), out, value);
    return TRUE;
}

static gboolean
errors(ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GError) refused = NULL;
    g_autofree char *text = read_file(sandbox, "notes/nothing.txt", &refused), *name = NULL;

    if (text)
        return TRUE;
    name = g_dbus_error_get_remote_error(refused);
    if (g_strcmp0(name, "org.cloche1.Error.NoSuchFile") != 0) {
        g_propagate_error(error, g_steal_pointer(&refused));
        return FALSE;
    }
    g_dbus_error_strip_remote_error(refused);
    printf("error: %s - %s\n", name, refused->message);
    return TRUE;
}

static ClocheSandbox *
create(GError **error)
{
    g_autoptr(ClocheManager) manager = cloche_manager_proxy_new_for_bus_sync(
        G_BUS_TYPE_SYSTEM, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, BUS_NAME, "/org/cloche1",
        NULL, error);
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *path = NULL;
    ClocheSandbox *sandbox;

    g_variant_dict_insert(&options, "timeout", "t", G_GUINT64_CONSTANT(120));
    g_variant_dict_insert(&options, "name", "s", "example");
    if (!manager || !cloche_manager_call_create_sandbox_sync(manager, g_variant_dict_end(&options),
                                                             &path, NULL, error))
        return NULL;
    sandbox = cloche_sandbox_proxy_new_for_bus_sync(
        G_BUS_TYPE_SYSTEM, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, BUS_NAME, path, NULL, error);
    if (sandbox)
        g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(sandbox), NO_LIMIT);
    return sandbox;
}

int
main(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = create(&error);
    gboolean is_well = sandbox && run(sandbox, &error) && stream(sandbox, &error) &&
                       files(sandbox, &error) && watch(sandbox, &error) && port(sandbox, &error) &&
                       code(sandbox, &error) && errors(sandbox, &error);

    if (sandbox)
        cloche_sandbox_call_kill_sync(sandbox, NULL, NULL);
    if (!is_well)
        fprintf(stderr, "%s\n", error ? error->message : "unexpected output");
    return is_well ? 0 : 1;
}
