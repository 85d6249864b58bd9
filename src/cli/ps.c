/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ps: the processes of a sandbox. */
#include "dictionary.h"
#include "sandbox.h"
#include "table.h"
#include "term.h"
#include "text.h"
#include "verbs.h"

static void
add_age(Table *table, GVariant *entry, gint64 now)
{
    guint64 started = dictionary_number(entry, "started");
    g_autofree char *age =
        text_from_seconds(started < (guint64)now ? (now - started) / G_USEC_PER_SEC : 0);

    table_add(table, age);
}

static void
add_memory(Table *table, GVariant *entry)
{
    g_autofree char *memory = text_from_size(dictionary_number(entry, "memory-kib") * 1024);

    table_add(table, memory);
}

/* Adds the number of the process object that the process belongs to. */
static void
add_number(Table *table, GVariant *entry)
{
    const char *path = "";

    g_variant_lookup(entry, "process", "&o", &path);
    table_add(table, strrchr(path, '_') != NULL ? strrchr(path, '_') + 1 : "");
}

static void
add_command(Table *table, GVariant *entry)
{
    g_autofree const char **argv = NULL;
    g_autofree char *command = NULL;

    g_variant_lookup(entry, "argv", "^a&s", &argv);
    command = argv != NULL ? g_strjoinv(" ", (char **)argv) : g_strdup("");
    table_add(table, command);
}

static void
add_row(Table *table, GVariant *entry, gint64 now)
{
    guint32 pid = 0;

    g_variant_lookup(entry, "pid", "u", &pid);
    if (pid != 0)
        table_add_printf(table, "%u", pid);
    else
        table_add(table, "-");
    add_number(table, entry);
    table_add(table, dictionary_text(entry, "tag"));
    table_add(table, dictionary_text(entry, "user"));
    table_add(table, dictionary_text(entry, "state"));
    add_age(table, entry, now);
    add_memory(table, entry);
    table_add_printf(table, "%.1fs", dictionary_number(entry, "processor-us") / 1e6);
    add_command(table, entry);
}

static void
print_table(GVariant *processes)
{
    static const char *const heads[] = {"PID", "NUMBER", "TAG", "USER",    "STATE",
                                        "AGE", "MEMORY", "CPU", "COMMAND", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *lines = NULL;
    gint64 now = g_get_real_time();

    for (gsize i = 0; i < g_variant_n_children(processes); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(processes, i);

        add_row(table, entry, now);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    fputs(lines, stdout);
}

static void
print_json(GVariant *processes)
{
    JsonObject *object = json_object_new();

    json_object_set_member(object, "processes", json_from_variant(processes));
    cli_print_object(object);
}

static GVariant *
read_processes(Cli *cli, const char *id, GError **error)
{
    g_autoptr(ClocheSandbox) sandbox = NULL;
    g_autoptr(GAsyncResult) reply = NULL;
    GVariant *processes;

    if (!cli_connect(cli, error))
        return NULL;
    sandbox = sandbox_find(cli, id, error);
    if (sandbox == NULL)
        return NULL;
    cloche_sandbox_call_list_processes(sandbox, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                       &reply);
    cli_await(&reply);
    if (!cloche_sandbox_call_list_processes_finish(sandbox, &processes, reply, error))
        return NULL;
    return processes;
}

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) processes = NULL;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    processes = read_processes(cli, cli->arguments[0], &error);
    if (processes == NULL)
        return cli_fail(cli, error);
    if (cli->json)
        print_json(processes);
    else
        print_table(processes);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

const Verb verb_ps = {
    .name = "ps",
    .synopsis = "ID",
    .summary = "Show the processes of a sandbox.",
    .description =
        "NUMBER is the number of the process object, for 'cloche attach' and 'cloche signal'.\n"
        "Ended processes come last.\n"
        "\n"
        "Examples:\n"
        "  cloche ps $id\n"
        "  cloche ps $id --json | jq -r '.processes[] | select(.tag == \"web\") | .pid'",
    .when_missing = "'cloche list' shows the sandboxes",
    .run = run,
};
