/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* program: finding or starting a process, and taking its descriptors. */
#include "program.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <sys/stat.h>
#include <unistd.h>

#include "raw.h"
#include "sandbox.h"

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
program_clear(ProcessStreams *program)
{
    g_clear_object(&program->process);
    close_fd(&program->input);
    close_fd(&program->output);
    close_fd(&program->error);
}

const char *
program_number(const ProcessStreams *program)
{
    return strrchr(g_dbus_proxy_get_object_path(G_DBUS_PROXY(program->process)), '_') + 1;
}

static gboolean
take_fd(GUnixFDList *fds, GVariant *handle, int *ret_fd, GError **error)
{
    *ret_fd = g_unix_fd_list_get(fds, g_variant_get_handle(handle), error);
    return *ret_fd >= 0;
}

/* --- Start and OpenTerminal --- */

static gboolean
start(Cli *cli, ClocheSandbox *sandbox, GVariant *options, ProcessStreams *ret_program,
      GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) input = NULL;
    g_autoptr(GVariant) output = NULL;
    g_autoptr(GVariant) problem = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autofree char *path = NULL;

    cloche_sandbox_call_start(sandbox, (const char *const *)cli->command, options, CLIENT_CALL,
                              /* fd_list= */ NULL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_start_finish(sandbox, &path, &input, &output, &problem, &fds, reply,
                                          error))
        return FALSE;
    ret_program->process = client_process(cli->manager, path, error);
    return ret_program->process != NULL && take_fd(fds, input, &ret_program->input, error) &&
           take_fd(fds, output, &ret_program->output, error) &&
           take_fd(fds, problem, &ret_program->error, error);
}

/* The programs draw for the terminal of this program, unless --env TERM=... names another. */
static void
add_term(GVariantDict *options)
{
    const char *name = g_getenv("TERM");
    g_autoptr(GVariant) given =
        g_variant_dict_lookup_value(options, "environment", G_VARIANT_TYPE("a{ss}"));
    g_autoptr(GVariantBuilder) pairs = g_variant_builder_new(G_VARIANT_TYPE("a{ss}"));
    gboolean has_term = FALSE;
    GVariantIter iter;
    const char *key, *value;

    if (name == NULL || *name == '\0' || !g_utf8_validate(name, -1, /* end= */ NULL))
        return;
    if (given != NULL) {
        g_variant_iter_init(&iter, given);
        while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
            g_variant_builder_add(pairs, "{ss}", key, value);
            has_term = has_term || g_str_equal(key, "TERM");
        }
    }
    if (!has_term)
        g_variant_builder_add(pairs, "{ss}", "TERM", name);
    g_variant_dict_insert_value(options, "environment", g_variant_builder_end(pairs));
}

static GVariant *
terminal_options(const Cli *cli, GVariant *options)
{
    g_autoptr(GVariant) held = g_variant_ref_sink(options);
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(held);

    add_term(&dict);
    if (cli->command != NULL)
        g_variant_dict_insert(&dict, "argv", "^as", cli->command);
    return g_variant_dict_end(&dict);
}

static gboolean
take_terminal(ProcessStreams *program, GUnixFDList *fds, GVariant *handle, GError **error)
{
    program->is_terminal = TRUE;
    return take_fd(fds, handle, &program->input, error) &&
           take_fd(fds, handle, &program->output, error);
}

static gboolean
open_terminal(Cli *cli, ClocheSandbox *sandbox, GVariant *options, ProcessStreams *ret_program,
              GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) terminal = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autofree char *path = NULL;
    guint16 columns, rows;

    raw_size(&columns, &rows);
    cloche_sandbox_call_open_terminal(sandbox, columns, rows, terminal_options(cli, options),
                                      CLIENT_CALL, /* fd_list= */ NULL, cli->interrupted,
                                      cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_open_terminal_finish(sandbox, &path, &terminal, &fds, reply, error))
        return FALSE;
    ret_program->process = client_process(cli->manager, path, error);
    return ret_program->process != NULL && take_terminal(ret_program, fds, terminal, error);
}

gboolean
program_begin(Cli *cli, ClocheSandbox *sandbox, gboolean on_terminal, GVariant *options,
              ProcessStreams *ret_program, GError **error)
{
    return on_terminal ? open_terminal(cli, sandbox, options, ret_program, error)
                       : start(cli, sandbox, options, ret_program, error);
}

/* --- running processes --- */

ClocheProcess *
program_find(Cli *cli, const char *word, const char *number, GError **error)
{
    g_autofree char *id = NULL;
    g_autofree char *path = NULL;

    if (strspn(number, "0123456789") != strlen(number) || *number == '\0') {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not the number of a process: 'cloche ps' shows the numbers", number);
        return NULL;
    }
    id = sandbox_resolve(cli, word, error);
    if (id == NULL)
        return NULL;
    path = g_strdup_printf(CLIENT_PROCESS_PATH "%s_%s", id, number);
    return client_process(cli->manager, path, error);
}

static gboolean
are_same_socket(int fd, int other)
{
    struct stat one, two;

    return fstat(fd, &one) == 0 && fstat(other, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

gboolean
program_attach(Cli *cli, const char *id, const char *number, ProcessStreams *ret_program,
               GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) input = NULL;
    g_autoptr(GVariant) output = NULL;
    g_autoptr(GVariant) problem = NULL;
    g_autoptr(GUnixFDList) fds = NULL;

    ret_program->process = program_find(cli, id, number, error);
    if (ret_program->process == NULL)
        return FALSE;
    cloche_process_call_attach(ret_program->process, CLIENT_CALL, /* fd_list= */ NULL,
                               cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    if (!cloche_process_call_attach_finish(ret_program->process, &input, &output, &problem, &fds,
                                           reply, error) ||
        !take_fd(fds, input, &ret_program->input, error) ||
        !take_fd(fds, output, &ret_program->output, error))
        return FALSE;
    ret_program->is_kept = TRUE;
    ret_program->is_terminal = are_same_socket(ret_program->input, ret_program->output);
    return ret_program->is_terminal || take_fd(fds, problem, &ret_program->error, error);
}
