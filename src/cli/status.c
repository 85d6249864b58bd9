/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status: the service, its templates, its pool and its limits. */
#include "dictionary.h"
#include "quota.h"
#include "status-sandbox.h"
#include "table.h"
#include "template.h"
#include "term.h"
#include "text.h"
#include "verbs.h"

static void
add_property(JsonObject *object, GDBusProxy *proxy, const char *name)
{
    g_autoptr(GVariant) value = g_dbus_proxy_get_cached_property(proxy, name);

    if (value != NULL)
        json_object_set_member(object, name, json_from_variant(value));
}

static void
print_json(Cli *cli, GVariant *templates, const QuotaReply *quota)
{
    static const char *const names[] = {"Version",  "DefaultTemplate",   "Accelerator",
                                        "Emulated", "AccelerationError", "Pool",
                                        "Limits"};
    JsonObject *object = json_object_new();

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        add_property(object, G_DBUS_PROXY(cli->manager), names[i]);
    json_object_set_member(object, "Templates", json_from_variant(templates));
    json_object_set_member(object, "Quota", json_from_variant(quota->own));
    json_object_set_member(object, "QuotaOfAll", json_from_variant(quota->all));
    cli_print_object(object);
}

static void
print_service(Cli *cli)
{
    g_autofree char *version = text_escape(cloche_manager_get_version(cli->manager));
    g_autofree char *accelerator = text_escape(cloche_manager_get_accelerator(cli->manager));
    g_autofree char *error = text_escape(template_acceleration_error(cli));

    printf("cloched %s on the %s bus, accelerator: %s\n", version,
           cli->bus == G_BUS_TYPE_SYSTEM ? "system" : "session",
           *accelerator != '\0' ? accelerator
           : *error != '\0'     ? "none yet"
                                : "being determined");
    if (*error != '\0')
        printf("%sKVM does not work: %s%s\n", term_style(stdout, STYLE_YELLOW), error,
               term_style(stdout, STYLE_OFF));
    if (cloche_manager_get_emulated(cli->manager))
        printf("%semulated: %s. Emulation is not a security boundary: run only code that you "
               "trust.%s\n",
               term_style(stdout, STYLE_YELLOW), template_why_emulated(cli),
               term_style(stdout, STYLE_OFF));
}

static GVariant *
call_systemd(Cli *cli, const char *path, const char *interface, const char *method,
             GVariant *parameters, const char *type)
{
    GDBusConnection *bus = g_dbus_proxy_get_connection(G_DBUS_PROXY(cli->manager));

    return g_dbus_connection_call_sync(bus, "org.freedesktop.systemd1", path, interface, method,
                                       parameters, G_VARIANT_TYPE(type), G_DBUS_CALL_FLAGS_NONE,
                                       /* timeout= */ -1, cli->interrupted, /* error= */ NULL);
}

/* Prints the status text of the unit if systemd runs the service. */
static void
print_unit(Cli *cli)
{
    g_autoptr(GVariant) unit = NULL, answer = NULL, value = NULL;
    const char *path;

    if (cli->bus != G_BUS_TYPE_SYSTEM)
        return;
    unit = call_systemd(cli, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                        "GetUnit", g_variant_new("(s)", "cloched.service"), "(o)");
    if (unit == NULL)
        return;
    g_variant_get(unit, "(&o)", &path);
    answer = call_systemd(cli, path, "org.freedesktop.DBus.Properties", "Get",
                          g_variant_new("(ss)", "org.freedesktop.systemd1.Service", "StatusText"),
                          "(v)");
    if (answer == NULL)
        return;
    g_variant_get(answer, "(v)", &value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)) {
        g_autofree char *text = text_escape(g_variant_get_string(value, NULL));

        printf("cloched.service: %s\n", text);
    }
}

static void
print_table(const char *title, const Table *table)
{
    g_autofree char *lines =
        table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));

    printf("\n%s\n%s", title, lines);
}

/* "ready", "preparing 40 %: installing packages" or "failed: why" */
static void
add_state(Table *table, GVariant *template)
{
    const char *state = dictionary_text(template, "state");
    double progress = 0;

    g_variant_lookup(template, "progress", "d", &progress);
    if (g_str_equal(state, "preparing"))
        table_add_printf(table, "%s %.0f %%: %s", state, progress * 100,
                         dictionary_text(template, "step"));
    else if (g_str_equal(state, "failed"))
        table_add_printf(table, "%s: %s", state, dictionary_text(template, "error"));
    else
        table_add(table, state);
}

static void
add_languages(Table *table, GVariant *template)
{
    g_auto(GStrv) languages = NULL;
    g_autofree char *joined = NULL;

    if (g_variant_lookup(template, "languages", "^as", &languages))
        joined = g_strjoinv(", ", languages);
    table_add(table, joined != NULL && *joined != '\0' ? joined : "none");
}

static void
add_template(Table *table, GVariant *template, const char *default_name)
{
    const char *name = dictionary_text(template, "name");
    g_autofree char *size = text_from_size(dictionary_number(template, "size"));

    table_add_printf(table, "%s%s", name, g_strcmp0(name, default_name) == 0 ? " (default)" : "");
    add_languages(table, template);
    table_add_printf(table, "%" G_GUINT64_FORMAT " MiB", dictionary_number(template, "memory-mib"));
    table_add_printf(table, "%" G_GUINT64_FORMAT, dictionary_number(template, "vcpus"));
    table_add(table, size);
    add_state(table, template);
}

static void
print_templates(Cli *cli, GVariant *templates)
{
    static const char *const heads[] = {"NAME",   "LANGUAGES", "MEMORY", "VCPUS",
                                        "STORED", "STATE",     NULL};
    g_autoptr(Table) table = table_new(heads);

    for (gsize i = 0; i < g_variant_n_children(templates); i++) {
        g_autoptr(GVariant) template = g_variant_get_child_value(templates, i);

        add_template(table, template, cloche_manager_get_default_template(cli->manager));
    }
    if (table_n_rows(table) > 0)
        print_table("Templates", table);
    else
        puts("\nNo template is installed.");
}

static void
print_pool(GVariant *pool)
{
    static const char *const heads[] = {"TEMPLATE", "READY",   "TARGET", "STARTING", "WAITING",
                                        "RESTORED", "CLAIMED", "FAILED", NULL};
    static const char *const keys[] = {"ready",    "target",  "starting", "waiting",
                                       "restored", "claimed", "failed"};
    g_autoptr(Table) table = table_new(heads);
    GVariantIter iter;
    const char *name;
    GVariant *figures;

    g_variant_iter_init(&iter, pool);
    while (g_variant_iter_loop(&iter, "{&s@a{sv}}", &name, &figures)) {
        table_add(table, name);
        for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
            table_add_printf(table, "%" G_GUINT64_FORMAT, dictionary_number(figures, keys[i]));
    }
    if (table_n_rows(table) > 0)
        print_table("Pool", table);
}

static void
print_limits(GVariant *limits)
{
    g_autofree char *lifetime = text_from_seconds(dictionary_number(limits, "lifetime"));
    g_autofree char *code = text_from_size(dictionary_number(limits, "code-size"));
    g_autofree char *output = text_from_size(dictionary_number(limits, "output-size"));

    printf("\nLimits\n");
    printf("a sandbox lives for at most %s; at most %s of code, %s of output\n", lifetime, code,
           output);
}

static void
print_for_people(Cli *cli, GVariant *templates, const QuotaReply *quota)
{
    GVariant *pool = cloche_manager_get_pool(cli->manager);
    GVariant *limits = cloche_manager_get_limits(cli->manager);

    print_service(cli);
    print_unit(cli);
    print_templates(cli, templates);
    if (pool != NULL)
        print_pool(pool);
    quota_print(quota);
    if (limits != NULL)
        print_limits(limits);
}

static int
run(Cli *cli, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) templates = NULL;
    g_auto(QuotaReply) quota = {0};
    int status;

    if (!cli_parse_arguments(cli, /* entries= */ NULL, argv, /* min= */ 0, /* max= */ G_MAXUINT,
                             &status))
        return status;
    if (!cli_connect(cli, &error))
        return cli_fail(cli, error);
    if (*cli->arguments != NULL)
        return status_of_sandboxes(cli);
    templates = template_list(cli, &error);
    if (templates == NULL || !quota_read(cli, &quota, &error))
        return cli_fail(cli, error);
    if (cli->json)
        print_json(cli, templates, &quota);
    else
        print_for_people(cli, templates, &quota);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

const Verb verb_status = {
    .name = "status",
    .synopsis = "[ID...]",
    .summary = "Show the service with its templates, pool and limits; or sandboxes.",
    .description =
        "The error for a sandbox that has ended says why it ended, as long as the service knows\n"
        "the reason. 'cloche show' and 'cloche inspect' are other names of this verb.\n"
        "\n"
        "Examples:\n"
        "  cloche status\n"
        "  cloche status $id\n"
        "  cloche status --json $id | jq '.sandboxes[0].Expires'\n"
        "  cloche status --json | jq '.Pool.python.ready'",
    .run = run,
};
