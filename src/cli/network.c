/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network: shows, changes or follows the network of a sandbox. */
#include "network.h"

#include "dictionary.h"
#include "network-options.h"
#include "network-text.h"
#include "sandbox.h"
#include "term.h"
#include "verbs.h"

/* --- calls --- */

GVariant *
network_read(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GVariant) properties = sandbox_properties(cli, sandbox, error);
    GVariant *network;

    if (properties == NULL)
        return NULL;
    network = g_variant_lookup_value(properties, "Network", G_VARIANT_TYPE_VARDICT);
    if (network == NULL)
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                            "this version of the service gives sandboxes no network");
    return network;
}

GVariant *
network_figures(Cli *cli, ClocheSandbox *sandbox, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    GVariant *figures;

    cloche_sandbox_call_get_traffic(sandbox, CLIENT_CALL, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_sandbox_call_get_traffic_finish(sandbox, &figures, reply, error) ? figures : NULL;
}

/* The generated function passes no descriptors: the method's signature has no handle. */
static gboolean
set_network(Cli *cli, ClocheSandbox *sandbox, const NetworkPolicy *policy, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;
    g_autoptr(GVariant) answer = NULL;

    g_dbus_proxy_call_with_unix_fd_list(G_DBUS_PROXY(sandbox), "SetNetwork",
                                        g_variant_new("(@a{sv})", policy->policy), CLIENT_CALL,
                                        policy->fds, cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    answer = g_dbus_proxy_call_with_unix_fd_list_finish(G_DBUS_PROXY(sandbox), /* ret_fds= */ NULL,
                                                        reply, error);
    return answer != NULL;
}

/* --- showing it --- */

static void
print_json(const char *id, GVariant *network, GVariant *figures)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "id", id);
    json_object_set_member(object, "network", json_from_variant(network));
    if (figures != NULL)
        json_object_set_member(object, "traffic", json_from_variant(figures));
    cli_print_object(object);
}

static void
print_for_people(const char *id, GVariant *network, GVariant *figures)
{
    g_autofree char *lines = network_text_describe(network, figures);

    printf("%s%s%s\n%s", term_style(stdout, STYLE_BOLD), id, term_style(stdout, STYLE_OFF), lines);
}

/* A network that is off or closed has no figures. */
static gboolean
read_figures(Cli *cli, ClocheSandbox *sandbox, GVariant *network, GVariant **ret_figures,
             GError **error)
{
    if (g_str_equal(dictionary_text(network, "state"), "on"))
        *ret_figures = network_figures(cli, sandbox, error);
    if (g_error_matches(*error, CLOCHE_ERROR, CLOCHE_ERROR_BUSY))
        g_clear_error(error); /* it was closed in the meantime */
    return *error == NULL;
}

static int
show(Cli *cli, ClocheSandbox *sandbox)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) network = network_read(cli, sandbox, &error);
    g_autoptr(GVariant) figures = NULL;

    if (network == NULL || !read_figures(cli, sandbox, network, &figures, &error))
        return cli_fail(cli, error);
    if (cli->json)
        print_json(sandbox_id(sandbox), network, figures);
    else
        print_for_people(sandbox_id(sandbox), network, figures);
    return cli_flush() ? CLI_OK : CLI_FAILED;
}

/* --- changing and following it --- */

static int
change(Cli *cli, ClocheSandbox *sandbox, const NetworkPolicy *policy)
{
    g_autoptr(GError) error = NULL;

    if (!set_network(cli, sandbox, policy, &error))
        return cli_fail(cli, error);
    return cli->json ? show(cli, sandbox) : CLI_OK;
}

/* The service would report only the state. */
static gboolean
check_is_open(GVariant *network, GError **error)
{
    if (g_str_equal(dictionary_text(network, "mode"), "off"))
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                            "the sandbox has no network");
    else if (g_str_equal(dictionary_text(network, "state"), "closed"))
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                    "the network of the sandbox is closed: %s", dictionary_text(network, "reason"));
    else
        return TRUE;
    return FALSE;
}

static int
follow(Cli *cli, ClocheSandbox *sandbox)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) network = network_read(cli, sandbox, &error);

    if (network == NULL || !check_is_open(network, &error))
        return cli_fail(cli, error);
    return network_log(cli, sandbox);
}

/* --- the verb --- */

/* The mode may also be the second argument. */
static int
check_settings(Cli *cli, NetworkOptions *options, gboolean with_log)
{
    const char *mode = cli->arguments[1];

    if (mode != NULL && options->mode != NULL)
        return cli_usage(cli, "the mode is given twice: '%s' and --mode %s", mode, options->mode);
    if (mode != NULL)
        options->mode = g_strdup(mode);
    if (with_log && network_options_given(options) != NULL)
        return cli_usage(cli, "--log cannot be given with options that change the network");
    return CLI_OK;
}

static int
run_on(Cli *cli, const NetworkPolicy *policy, gboolean with_log)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ClocheSandbox) sandbox = NULL;

    if (cli_connect(cli, &error))
        sandbox = sandbox_find(cli, cli->arguments[0], &error);
    if (sandbox == NULL)
        return cli_fail(cli, error);
    if (with_log)
        return follow(cli, sandbox);
    return policy->policy != NULL ? change(cli, sandbox, policy) : show(cli, sandbox);
}

static int
run(Cli *cli, char **argv)
{
    g_auto(NetworkOptions) options = {.mode_option = "mode"};
    g_auto(NetworkPolicy) policy = {0};
    g_autoptr(GError) error = NULL;
    gboolean with_log = FALSE;
    const GOptionEntry own_entries[] = {
        {"log", 0, 0, G_OPTION_ARG_NONE, &with_log,
         "Show connections as they begin, end or are refused", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GArray) entries = network_options_entries(&options, own_entries);
    int status;

    if (!cli_parse_arguments(cli, (const GOptionEntry *)entries->data, argv, /* min= */ 1,
                             /* max= */ 2, &status))
        return status;
    status = check_settings(cli, &options, with_log);
    if (status != CLI_OK)
        return status;
    if (!network_options_read(&options, /* stdin_reader= */ NULL, &policy, &error))
        return cli_fail(cli, error);
    return run_on(cli, &policy, with_log);
}

const Verb verb_network = {
    .name = "network",
    .synopsis = "ID [MODE]",
    .summary = "Show or change the network of a sandbox, or follow its connections.",
    .description =
        "With MODE (also as --mode) or another option, the network is replaced: entries, secrets\n"
        "and limits that are not given again are gone. Connections that are no longer permitted\n"
        "are reset. An ENTRY is TARGET[:PORT[-PORT]][/tcp|/tls|/http].\n"
        "\n"
        "Examples:\n"
        "  cloche network $id\n"
        "  cloche network $id internet\n"
        "  cloche network $id --allow pypi.org --allow files.pythonhosted.org\n"
        "  cloche network $id --secret 'api.example.com:Authorization=Bearer @token'\n"
        "  cloche network $id off\n"
        "  cloche network $id --log",
    .run = run,
};
