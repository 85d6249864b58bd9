/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network-options: the options that give a sandbox a network, converted to the a{sv} "network" of
 * CreateSandbox() and SetNetwork().
 *
 * The service checks the entries; only what can be said without it is checked here.
 */
#pragma once

#include <gio/gunixfdlist.h>

/* The values of the options; NULL: not given. */
typedef struct {
    const char *mode_option; /* the name of the option for the mode; NULL: "network" */
    char *mode;
    char **allow, **deny, **secrets;
    gboolean is_private;
    char *bandwidth, *traffic, *connections;
} NetworkOptions;

void network_options_clear(NetworkOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkOptions, network_options_clear)

/* Returns a zero-terminated array: the entries of a verb (NULL: none), and those of the options. */
GArray *network_options_entries(NetworkOptions *options, const GOptionEntry *entries);

/* Returns the name of the first option that was given, without "--"; NULL: none was. */
const char *network_options_given(const NetworkOptions *options);

typedef struct {
    GVariant *policy; /* a{sv}; NULL: no option was given */
    GUnixFDList *fds; /* of the values of secrets, for the message; NULL: none */
} NetworkPolicy;

void network_policy_clear(NetworkPolicy *policy);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkPolicy, network_policy_clear)

/*
 * Reads the values of secrets. stdin_reader: what else reads standard input, for the error when a
 * secret is to be read from it; NULL: nothing. Errors are of G_OPTION_ERROR and G_FILE_ERROR.
 */
gboolean network_options_read(const NetworkOptions *options, const char *stdin_reader,
                              NetworkPolicy *ret_policy, GError **error);

/* Adds the policy to the options of a call, if there is one. */
void network_policy_add(const NetworkPolicy *policy, GVariantDict *options);
