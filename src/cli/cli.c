/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli: arguments, waiting and errors, the same for every verb. */
#include "cli.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>

#include "agent.h"
#include "arguments.h"
#include "hint.h"
#include "term.h"
#include "text.h"

static void
print_help(const Cli *cli, GOptionContext *context)
{
    g_autofree char *program = g_strdup_printf("cloche %s", cli->verb->name);
    g_autofree char *help = NULL;

    g_set_prgname(program);
    help = g_option_context_get_help(context, /* main_help= */ TRUE, /* group= */ NULL);
    fputs(help, stdout);
}

/* Returns the arguments before "--" for GOption, which reorders and shortens its copy, and those
 * after it separately. */
static char **
split_arguments(char **argv, char ***ret_after_dashes)
{
    GPtrArray *before = g_ptr_array_new();

    *ret_after_dashes = NULL;
    for (gsize i = 0; argv[i] != NULL; i++) {
        if (g_str_equal(argv[i], "--")) {
            *ret_after_dashes = g_strdupv(argv + i + 1);
            break;
        }
        g_ptr_array_add(before, g_strdup(argv[i]));
    }
    g_ptr_array_add(before, NULL);
    return (char **)g_ptr_array_free(before, FALSE);
}

static char **
join_arguments(char *const *first, char *const *second)
{
    GStrvBuilder *builder = g_strv_builder_new();
    char **joined;

    g_strv_builder_addv(builder, (const char **)first);
    if (second != NULL)
        g_strv_builder_addv(builder, (const char **)second);
    joined = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return joined;
}

/* Returns the verb's own options and those of every verb. */
static GArray *
join_entries(Cli *cli, const GOptionEntry *entries, gboolean *help)
{
    const GOptionEntry common[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &cli->json, "Print the reply of the service as JSON",
         NULL},
        {"help", 'h', 0, G_OPTION_ARG_NONE, help, "Show this help", NULL},
    };
    GArray *all = g_array_new(/* zero_terminated= */ TRUE, FALSE, sizeof(GOptionEntry));

    for (; entries != NULL && entries->long_name != NULL; entries++)
        g_array_append_vals(all, entries, 1);
    return g_array_append_vals(all, common, G_N_ELEMENTS(common));
}

static GOptionContext *
make_context(const Cli *cli, const GArray *entries)
{
    GOptionContext *context = g_option_context_new(cli->verb->synopsis);

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(context, cli->verb->summary);
    g_option_context_set_description(context, cli->verb->description);
    g_option_context_add_main_entries(context, (const GOptionEntry *)entries->data,
                                      /* translation= */ NULL);
    return context;
}

/* "run debian sh": the first argument may be meant as an image, or as a program. */
static int
ask_for_command(Cli *cli)
{
    if (*cli->arguments != NULL && !cli->verb->has_command_after_id)
        return cli_usage(
            cli,
            "the command is missing: it follows '--', as in cloche %s -- %s; --template "
            "names a template",
            cli->verb->name, *cli->arguments);
    return cli_usage(cli, "the command is missing: cloche %s %s", cli->verb->name,
                     cli->verb->synopsis);
}

static gboolean
check_command(Cli *cli, char **after_dashes, int *ret_status)
{
    if (cli->verb->command_is_optional && after_dashes == NULL)
        return TRUE;
    if (after_dashes == NULL || after_dashes[0] == NULL) {
        *ret_status = ask_for_command(cli);
        return FALSE;
    }
    cli->command = g_strdupv(after_dashes);
    return TRUE;
}

/* --json applies to errors in the arguments as well, so it is searched for before they are parsed.
 */
static char **
prepare(Cli *cli, const GArray *entries, char **argv, GError **error)
{
    char **arguments = NULL;

    if (text_check_utf8((const char *const *)argv, "", error))
        arguments = arguments_prepare((const GOptionEntry *)entries->data, argv,
                                      cli->verb->has_command_after_id, error);
    cli->json = cli->json || arguments_have(arguments != NULL ? arguments : argv, "--json");
    return arguments;
}

/* For the hints about errors: they depend on the user who was refused. */
static void
note_user(Cli *cli, const GOptionEntry *entries)
{
    for (; entries != NULL && entries->long_name != NULL; entries++) {
        if (!g_str_equal(entries->long_name, "user"))
            continue;
        cli->has_user = TRUE;
        cli->user = *(char *const *)entries->arg_data;
    }
}

gboolean
cli_parse(Cli *cli, const GOptionEntry *entries, char **argv, int *ret_status)
{
    gboolean help = FALSE;
    g_autoptr(GArray) all = join_entries(cli, entries, &help);
    g_autoptr(GOptionContext) context = make_context(cli, all);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) after_dashes = NULL;
    g_auto(GStrv) prepared = prepare(cli, all, argv, &error);
    g_auto(GStrv) arguments = prepared != NULL ? split_arguments(prepared, &after_dashes) : NULL;

    if (arguments == NULL || !g_option_context_parse_strv(context, &arguments, &error)) {
        *ret_status = cli_usage(cli, "%s", error->message);
        return FALSE;
    }
    if (help) {
        print_help(cli, context);
        *ret_status = CLI_OK;
        return FALSE;
    }
    note_user(cli, entries);
    cli->arguments = join_arguments(arguments + 1, cli->verb->takes_command ? NULL : after_dashes);
    return !cli->verb->takes_command || check_command(cli, after_dashes, ret_status);
}

gboolean
cli_parse_arguments(Cli *cli, const GOptionEntry *entries, char **argv, guint min, guint max,
                    int *ret_status)
{
    guint n;

    if (!cli_parse(cli, entries, argv, ret_status))
        return FALSE;
    n = g_strv_length(cli->arguments);
    if (n < min)
        *ret_status = cli_usage(cli, "too few arguments: cloche %s %s%s%s", cli->verb->name,
                                cli->verb->synopsis, cli->verb->when_missing != NULL ? "; " : "",
                                cli->verb->when_missing != NULL ? cli->verb->when_missing : "");
    else if (n > max)
        *ret_status = cli_usage(cli, "unexpected argument '%s'%s%s%s", cli->arguments[max],
                                cli->verb->takes_command ? " before '--'" : "",
                                cli->verb->when_too_many != NULL ? ": " : "",
                                cli->verb->when_too_many != NULL ? cli->verb->when_too_many : "");
    return n >= min && n <= max;
}

static void
note_signal(Cli *cli, int number)
{
    cli->signal = number;
    g_cancellable_cancel(cli->interrupted);
}

/* G_SOURCE_REMOVE restores the default action of the signal: a second one ends the program. */
static gboolean
on_sigint(gpointer data)
{
    Cli *cli = data;

    if (cli->on_interrupt != NULL) {
        cli->on_interrupt(cli->interrupt_data);
        return G_SOURCE_CONTINUE;
    }
    note_signal(cli, SIGINT);
    return G_SOURCE_REMOVE;
}

static gboolean
on_sigterm(gpointer cli)
{
    note_signal(cli, SIGTERM);
    return G_SOURCE_REMOVE;
}

static gboolean
on_sighup(gpointer cli)
{
    note_signal(cli, SIGHUP);
    return G_SOURCE_REMOVE;
}

/* A signal that was ignored when the program was started (nohup) remains ignored. */
static void
watch_signal(Cli *cli, int number, GSourceFunc callback)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        return;
    g_unix_signal_add(number, callback, cli);
}

gboolean
cli_connect(Cli *cli, GError **error)
{
    cli->manager = client_connect(cli->bus, error);
    if (cli->manager == NULL)
        return FALSE;
    agent_start(cli);
    watch_signal(cli, SIGINT, on_sigint);
    watch_signal(cli, SIGTERM, on_sigterm);
    watch_signal(cli, SIGHUP, on_sighup);
    return TRUE;
}

void
cli_on_reply(GObject *source, GAsyncResult *result, gpointer reply)
{
    *(GAsyncResult **)reply = g_object_ref(result);
}

void
cli_await(GAsyncResult **reply)
{
    while (g_atomic_pointer_get(reply) == NULL)
        g_main_context_iteration(/* context= */ NULL, /* may_block= */ TRUE);
}

static void
print_problem(const char *message, const char *hint)
{
    g_autofree char *shown = text_escape_lines(message);
    g_autofree char *shown_hint = hint != NULL ? text_escape_lines(hint) : NULL;

    fprintf(stderr, "%scloche: %s%s\n", term_style(stderr, STYLE_RED), shown,
            term_style(stderr, STYLE_OFF));
    if (shown_hint != NULL)
        fprintf(stderr, "cloche: %s\n", shown_hint);
}

int
cli_usage(Cli *cli, const char *format, ...)
{
    g_autofree char *message = NULL;
    g_autofree char *hint = g_strdup_printf("see cloche %s --help", cli->verb->name);
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (cli->json)
        cli_print_json(json_from_error("Usage", message));
    else
        print_problem(message, hint);
    return CLI_USAGE;
}

static int
exit_status_for(const Cli *cli, const GError *error)
{
    if (cli->signal != 0)
        return 128 + cli->signal;
    if (error->domain == G_OPTION_ERROR)
        return CLI_USAGE;
    if (g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_PROGRAM))
        return CLI_NOT_FOUND;
    if (cli->command != NULL &&
        g_error_matches(error, CLOCHE_ERROR, CLOCHE_ERROR_PERMISSION_DENIED))
        return CLI_NOT_EXECUTABLE;
    return CLI_FAILED;
}

JsonNode *
cli_error_node(const GError *error)
{
    return json_from_error(client_error_name(error), error->message);
}

int
cli_fail(Cli *cli, GError *error)
{
    g_autofree char *hint = NULL;

    client_tidy_error(error);
    if (cli->json) {
        cli_print_json(cli_error_node(error));
    } else if (cli->signal == 0) {
        hint = hint_for_error(cli, error);
        print_problem(error->message, hint);
    }
    return exit_status_for(cli, error);
}

void
cli_note(const char *format, ...)
{
    g_autofree char *message = NULL;
    g_autofree char *shown = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    shown = text_escape_lines(message);
    fprintf(stderr, "cloche: %s\n", shown);
}

void
cli_print_json(JsonNode *node)
{
    g_autofree char *line = json_to_line(node);

    fputs(line, stdout);
}

void
cli_print_object(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, object);
    cli_print_json(node);
}

static gboolean reader_has_left;

int
cli_end_status(int status)
{
    return status == CLI_FAILED && reader_has_left ? CLI_READER_LEFT : status;
}

gboolean
cli_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return TRUE;
    reader_has_left = errno == EPIPE;
    if (!reader_has_left)
        cli_note("cannot write the output: %s", g_strerror(errno));
    return FALSE;
}
