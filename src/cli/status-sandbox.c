/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status-sandbox: the properties of a sandbox and its contexts, for a person or as JSON. */
#include "status-sandbox.h"

#include "context.h"
#include "dictionary.h"
#include "list.h"
#include "network-text.h"
#include "sandbox.h"
#include "term.h"
#include "text.h"

static void
print_line(const char *label, const char *text)
{
    g_autofree char *shown = text_escape(text);

    if (*shown != '\0')
        printf("%10s %s\n", label, shown);
}

static char *
clock_time(GVariant *properties, const char *key)
{
    guint64 us = 0;
    g_autoptr(GDateTime) time = NULL;

    g_variant_lookup(properties, key, "t", &us);
    time = g_date_time_new_from_unix_local((gint64)(us / G_USEC_PER_SEC));
    return time != NULL ? g_date_time_format(time, "%F %T %Z") : g_strdup("unknown");
}

static gboolean
is_paused(GVariant *properties)
{
    return g_str_equal(dictionary_text(properties, "State"), "paused");
}

static void
print_times(GVariant *properties)
{
    g_autofree char *created = clock_time(properties, "Created");
    g_autofree char *expires = clock_time(properties, "Expires");
    g_autofree char *age = text_from_seconds(list_age(properties));
    g_autofree char *rest = text_from_seconds(list_rest(properties));
    g_autofree char *begin = g_strdup_printf("%s, %s ago", created, age);
    g_autofree char *end = g_strdup_printf("%s, in %s", expires, rest);

    print_line("Created:", begin);
    print_line(is_paused(properties) ||
                       !g_str_equal(dictionary_text(properties, "OnTimeout"), "pause")
                   ? "Ends:"
                   : "Pauses:",
               end);
}

static void
print_template(GVariant *properties)
{
    guint32 vcpus = 0;
    guint64 memory = 0;
    g_autofree char *text = NULL;

    g_variant_lookup(properties, "Vcpus", "u", &vcpus);
    g_variant_lookup(properties, "MemoryMiB", "t", &memory);
    text = g_strdup_printf("%s, %u vCPU%s, %" G_GUINT64_FORMAT " MiB",
                           dictionary_text(properties, "Template"), vcpus, vcpus == 1 ? "" : "s",
                           memory);
    print_line("Template:", text);
}

static void
print_network(GVariant *properties)
{
    g_autoptr(GVariant) network =
        g_variant_lookup_value(properties, "Network", G_VARIANT_TYPE_VARDICT);
    g_autofree char *mode = network != NULL ? network_text_mode(network) : g_strdup("off");

    if (!g_str_equal(mode, "off"))
        print_line("Network:", mode);
}

static void
print_for_people(GVariant *properties, GVariant *contexts)
{
    g_autofree char *owner = list_owner(properties);
    g_autofree char *metadata = list_metadata(properties);
    g_autofree char *states = context_states(contexts);

    printf("%s%s%s\n", term_style(stdout, STYLE_BOLD), dictionary_text(properties, "Id"),
           term_style(stdout, STYLE_OFF));
    print_line("Name:", dictionary_text(properties, "Name"));
    print_line("State:", dictionary_text(properties, "State"));
    print_times(properties);
    print_template(properties);
    print_network(properties);
    print_line("Owner:", owner);
    print_line("Metadata:", metadata);
    print_line("Contexts:", states);
}

static gboolean
show(Cli *cli, const char *word, GPtrArray *shown, GError **error)
{
    g_autoptr(ClocheSandbox) sandbox = sandbox_find(cli, word, error);
    g_autoptr(GVariant) properties = NULL;
    g_autoptr(GVariant) contexts = NULL;

    if (sandbox != NULL)
        properties = sandbox_properties(cli, sandbox, error);
    if (properties == NULL)
        return FALSE;
    /* The call could resume it. */
    if (is_paused(properties))
        contexts = g_variant_ref_sink(g_variant_new("aa{sv}", NULL));
    else
        contexts = context_list(cli, sandbox, error);
    if (contexts == NULL)
        return FALSE;
    if (!cli->json && shown->len > 0)
        putchar('\n');
    if (!cli->json)
        print_for_people(properties, contexts);
    g_ptr_array_add(
        shown, g_variant_ref_sink(g_variant_new(
                   "(o@a{sv})", g_dbus_proxy_get_object_path(G_DBUS_PROXY(sandbox)), properties)));
    return TRUE;
}

int
status_of_sandboxes(Cli *cli)
{
    g_autoptr(GPtrArray) shown = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    int status = CLI_OK;

    for (gsize i = 0; cli->arguments[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;

        if (show(cli, cli->arguments[i], shown, &error))
            continue;
        fflush(stdout); /* so that the error follows the output */
        status = cli_fail(cli, error);
        if (cli->json)
            return status;
    }
    if (cli->json)
        list_print_json(shown);
    return cli_flush() ? status : CLI_FAILED;
}
