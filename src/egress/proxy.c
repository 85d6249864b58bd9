/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proxy: the address of the administrator's proxy. */
#include "proxy.h"

#include <string.h>

#include "error.h"

#define SCHEME "http://"
#define PORT_DEFAULT 80u

/* Cuts ":PORT" off. */
static gboolean
take_port(char *rest, guint16 *ret)
{
    char *colon = strrchr(rest, ':');
    guint64 port = PORT_DEFAULT;

    if (colon && !strchr(colon, ']')) {
        *colon = '\0';
        if (!g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
            return FALSE;
    }
    *ret = (guint16)port;
    return TRUE;
}

static char *
parse_host(char *rest)
{
    gsize length = strlen(rest);
    NetAddress address;

    if (*rest == '[' && rest[length - 1] == ']') {
        rest[length - 1] = '\0';
        return strchr(rest, ':') && net_address_parse(rest + 1, &address) ? g_strdup(rest + 1)
                                                                          : NULL;
    }
    return net_address_parse(rest, &address) ? g_strdup(rest) : net_name_canonical(rest);
}

static gboolean
parse(const char *text, WorkerProxy *ret)
{
    g_autofree char *rest = NULL;

    if (!g_str_has_prefix(text, SCHEME))
        return FALSE;
    rest = g_strdup(text + strlen(SCHEME));
    if (g_str_has_suffix(rest, "/"))
        rest[strlen(rest) - 1] = '\0';
    if (!take_port(rest, &ret->port))
        return FALSE;
    ret->host = parse_host(rest);
    return ret->host != NULL;
}

gboolean
proxy_parse(const char *text, WorkerProxy *ret, GError **error)
{
    *ret = (WorkerProxy){0};
    if (*text == '\0' || parse(text, ret))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "The proxy '%s' is not of the form http://HOST:PORT", text);
    return FALSE;
}
