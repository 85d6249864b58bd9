/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-options: one option after the other. What was not given is not in the a{sv}. */
#include "network-options.h"

#include <unistd.h>

#include "secret-option.h"
#include "text.h"

void
network_options_clear(NetworkOptions *options)
{
    g_free(options->mode);
    g_strfreev(options->allow);
    g_strfreev(options->deny);
    g_strfreev(options->secrets);
    g_free(options->bandwidth);
    g_free(options->traffic);
    g_free(options->connections);
}

void
network_policy_clear(NetworkPolicy *policy)
{
    g_clear_pointer(&policy->policy, g_variant_unref);
    g_clear_object(&policy->fds);
}

static const char *
mode_option(const NetworkOptions *options)
{
    return options->mode_option != NULL ? options->mode_option : "network";
}

GArray *
network_options_entries(NetworkOptions *options, const GOptionEntry *entries)
{
    const GOptionEntry own[] = {
        {mode_option(options), 0, 0, G_OPTION_ARG_FILENAME, &options->mode,
         "off, restricted (only what --allow permits) or internet; --allow and --secret imply "
         "restricted",
         "MODE"},
        {"allow", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->allow,
         "Permit connections to NAME, *.NAME, an address or a network; may be repeated",
         "ENTRY[:PORT]"},
        {"deny", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->deny,
         "Refuse these, even if --allow permits them; may be repeated", "ENTRY[:PORT]"},
        {"private", 0, 0, G_OPTION_ARG_NONE, &options->is_private,
         "Permit the private addresses of networks in --allow", NULL},
        {"secret", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->secrets,
         "Add a header, which the sandbox does not see, to requests; may be repeated",
         "HOST:HEADER=[TEXT]@FILE"},
        {"bandwidth", 0, 0, G_OPTION_ARG_FILENAME, &options->bandwidth,
         "At most so many bytes per second in each direction: 500K, 10M", "SIZE"},
        {"traffic", 0, 0, G_OPTION_ARG_FILENAME, &options->traffic,
         "At most so many bytes in all: 500M, 2G", "SIZE"},
        {"connections", 0, 0, G_OPTION_ARG_FILENAME, &options->connections,
         "At most so many connections at once", "N"},
    };
    GArray *all = g_array_new(/* zero_terminated= */ TRUE, FALSE, sizeof(GOptionEntry));

    for (; entries != NULL && entries->long_name != NULL; entries++)
        g_array_append_vals(all, entries, 1);
    return g_array_append_vals(all, own, G_N_ELEMENTS(own));
}

/* Options other than the mode. */
static const char *
given_beside_mode(const NetworkOptions *options)
{
    const struct {
        const char *name;
        gboolean is_given;
    } all[] = {
        {"allow", options->allow != NULL},
        {"deny", options->deny != NULL},
        {"private", options->is_private},
        {"secret", options->secrets != NULL},
        {"bandwidth", options->bandwidth != NULL},
        {"traffic", options->traffic != NULL},
        {"connections", options->connections != NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i].is_given)
            return all[i].name;
    }
    return NULL;
}

const char *
network_options_given(const NetworkOptions *options)
{
    return options->mode != NULL ? mode_option(options) : given_beside_mode(options);
}

/* --- the mode --- */

/* Returns the mode that the options mean. */
static const char *
find_mode(const NetworkOptions *options, GError **error)
{
    static const char *const modes[] = {"off", "restricted", "internet", NULL};
    gboolean permits = options->allow != NULL || options->secrets != NULL;
    const char *other = given_beside_mode(options);

    if (options->mode != NULL && !g_strv_contains(modes, options->mode))
        text_refuse(error, "'%s' is not a mode of the network: off, restricted or internet",
                    options->mode);
    else if (options->mode == NULL && !permits)
        text_refuse(error, "--%s permits nothing by itself: add --%s internet, or --allow", other,
                    mode_option(options));
    else if (g_strcmp0(options->mode, "off") == 0 && other != NULL)
        text_refuse(error, "--%s cannot be given when the network is off", other);
    else if (g_strcmp0(options->mode, "restricted") == 0 && !permits)
        text_refuse(error, "a restricted network permits only what --allow names: add --allow");
    else
        return options->mode != NULL ? options->mode : "restricted";
    return NULL;
}

/* --- secrets --- */

static GVariant *
secret_entry(const Secret *secret, int handle)
{
    g_auto(GVariantDict) entry = G_VARIANT_DICT_INIT(NULL);
    const char *const paths[] = {secret->path, NULL};

    g_variant_dict_insert(&entry, "host", "s", secret->host);
    g_variant_dict_insert(&entry, "port", "q", secret->port);
    g_variant_dict_insert(&entry, "header", "s", secret->header);
    g_variant_dict_insert(&entry, "format", "s", secret->format);
    g_variant_dict_insert(&entry, "value", "h", handle);
    if (secret->path != NULL)
        g_variant_dict_insert(&entry, "paths", "^as", paths);
    return g_variant_dict_end(&entry);
}

static GVariant *
read_secret(const Secret *secret, GUnixFDList *fds, GError **error)
{
    int fd = secret_open_value(secret, error);
    int handle;

    if (fd < 0)
        return NULL;
    handle = g_unix_fd_list_append(fds, fd, error);
    close(fd);
    return handle >= 0 ? secret_entry(secret, handle) : NULL;
}

/* A command or its code cannot share standard input with a secret, nor two secrets. */
static gboolean
check_stdin(const Secret *secret, const char **stdin_reader, GError **error)
{
    if (!g_str_equal(secret->file, "-"))
        return TRUE;
    if (*stdin_reader != NULL)
        return text_refuse(error,
                           "--secret for %s of %s: %s already reads standard input: give @FILE",
                           secret->header, secret->host, *stdin_reader);
    *stdin_reader = "another --secret";
    return TRUE;
}

/* What a secret is for must be permitted; in a restricted network this permits it. */
static void
permit(const Secret *secret, GStrvBuilder *allow)
{
    g_autofree char *entry = g_strdup_printf("%s:%u", secret->host, secret->port);

    g_strv_builder_add(allow, entry);
}

static gboolean
add_secrets(const NetworkOptions *options, const char *stdin_reader, GVariantDict *policy,
            GStrvBuilder *allow, GUnixFDList *fds, GError **error)
{
    g_auto(GVariantBuilder) entries = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (char **text = options->secrets; text != NULL && *text != NULL; text++) {
        g_autoptr(Secret) secret = secret_parse(*text, error);
        GVariant *entry = NULL;

        if (secret != NULL && check_stdin(secret, &stdin_reader, error))
            entry = read_secret(secret, fds, error);
        if (entry == NULL)
            return FALSE;
        g_variant_builder_add_value(&entries, entry);
        if (allow != NULL)
            permit(secret, allow);
    }
    if (options->secrets != NULL)
        g_variant_dict_insert_value(policy, "secrets", g_variant_builder_end(&entries));
    return TRUE;
}

/* --- the rest --- */

static gboolean
add_size(GVariantDict *policy, const char *key, const char *text, GError **error)
{
    guint64 size;

    if (text == NULL)
        return TRUE;
    if (!text_to_size(text, &size, error)) {
        g_prefix_error(error, "--%s: ", key);
        return FALSE;
    }
    g_variant_dict_insert(policy, key, "t", size);
    return TRUE;
}

static gboolean
add_limits(const NetworkOptions *options, GVariantDict *policy, GError **error)
{
    guint64 connections;

    if (options->connections != NULL) {
        if (!g_ascii_string_to_unsigned(options->connections, 10, 1, G_MAXUINT32, &connections,
                                        /* error= */ NULL))
            return text_refuse(error, "--connections: '%s' is not a number of at least 1",
                               options->connections);
        g_variant_dict_insert(policy, "connections", "u", (guint32)connections);
    }
    return add_size(policy, "bandwidth", options->bandwidth, error) &&
           add_size(policy, "traffic", options->traffic, error);
}

static void
add_list(GVariantDict *policy, const char *key, char **entries)
{
    if (entries != NULL && *entries != NULL)
        g_variant_dict_insert(policy, key, "^as", entries);
}

static GVariant *
build(const NetworkOptions *options, const char *stdin_reader, GUnixFDList *fds, GError **error)
{
    g_auto(GVariantDict) policy = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GStrvBuilder) allow = g_strv_builder_new();
    g_auto(GStrv) allowed = NULL;
    const char *mode = find_mode(options, error);
    gboolean is_restricted = g_strcmp0(mode, "restricted") == 0;

    if (mode == NULL)
        return NULL;
    if (options->allow != NULL)
        g_strv_builder_addv(allow, (const char **)options->allow);
    if (!add_limits(options, &policy, error) ||
        !add_secrets(options, stdin_reader, &policy, is_restricted ? allow : NULL, fds, error))
        return NULL;
    allowed = g_strv_builder_end(allow);
    g_variant_dict_insert(&policy, "mode", "s", mode);
    add_list(&policy, "allow", allowed);
    add_list(&policy, "deny", options->deny);
    if (options->is_private)
        g_variant_dict_insert(&policy, "private", "b", TRUE);
    return g_variant_dict_end(&policy);
}

gboolean
network_options_read(const NetworkOptions *options, const char *stdin_reader,
                     NetworkPolicy *ret_policy, GError **error)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    GVariant *policy;

    if (network_options_given(options) == NULL)
        return TRUE;
    policy = build(options, stdin_reader, fds, error);
    if (policy == NULL)
        return FALSE;
    ret_policy->policy = g_variant_ref_sink(policy);
    if (options->secrets != NULL)
        ret_policy->fds = g_steal_pointer(&fds);
    return TRUE;
}

void
network_policy_add(const NetworkPolicy *policy, GVariantDict *options)
{
    if (policy->policy != NULL)
        g_variant_dict_insert_value(options, "network", policy->policy);
}
