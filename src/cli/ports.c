/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ports: the TCP ports on which programs in a sandbox listen. */
#include "guest.h"
#include "table.h"
#include "term.h"
#include "verbs.h"

static void
print_json(GVariant *ports)
{
    JsonObject *object = json_object_new();

    json_object_set_member(object, "ports", json_from_variant(ports));
    cli_print_object(object);
}

static void
add_row(Table *table, GVariant *entry)
{
    const char *address = "", *program = "";
    guint16 port = 0;
    guint32 pid = 0;

    g_variant_lookup(entry, "port", "q", &port);
    g_variant_lookup(entry, "address", "&s", &address);
    g_variant_lookup(entry, "pid", "u", &pid);
    g_variant_lookup(entry, "program", "&s", &program);
    table_add_printf(table, "%u", port);
    table_add(table, address);
    table_add_printf(table, pid != 0 ? "%u" : "", pid);
    table_add(table, program);
}

static void
print_table(GVariant *ports)
{
    static const char *const heads[] = {"PORT", "ADDRESS", "PID", "PROGRAM", NULL};
    g_autoptr(Table) table = table_new(heads);
    g_autofree char *lines = NULL;

    for (gsize i = 0; i < g_variant_n_children(ports); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(ports, i);

        add_row(table, entry);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    fputs(lines, stdout);
}

static GVariant *
list_ports(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    GVariant *ports;

    cloche_sandbox_call_list_ports(sandbox, CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_list_ports_finish(sandbox, &ports, reply, error) ? ports : NULL;
}

static int
run(Cli *cli, char **argv)
{
    g_auto(Guest) guest = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) ports = NULL;
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 1, /* max= */ 1, &status))
        return status;
    if (guest_open(&guest, cli, cli->arguments[0], &error))
        ports = list_ports(cli, guest.sandbox, &error);
    if (ports == NULL)
        return cli_fail(cli, error);
    if (cli->json)
        print_json(ports);
    else
        print_table(ports);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

const Verb verb_ports = {
    .name = "ports",
    .synopsis = "ID",
    .summary = "Show the TCP ports on which programs in a sandbox listen.",
    .description = "Examples:\n"
                   "  cloche ports $id\n"
                   "  cloche ports $id --json | jq '.ports[].port'",
    .run = run,
};
