/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward-address: parsing [HOST:]PORT[:GUESTPORT]. */
#include "forward-address.h"

#include <gio/gio.h>
#include <string.h>

void
forward_address_clear(ForwardAddress *forward)
{
    g_free(forward->host);
}

/* Splits the host from the ports. FALSE: there is no host. *ret_rest points after its colon. */
static gboolean
split_host(const char *word, char **ret_host, const char **ret_rest)
{
    const char *end = *word == '[' ? strstr(word, "]:") : strchr(word, ':');
    gboolean is_bracketed = *word == '[';

    if (end == NULL || strspn(word, "0123456789") == (gsize)(end - word))
        return FALSE;
    *ret_host = g_strndup(word + is_bracketed, end - word - is_bracketed);
    *ret_rest = end + 1 + is_bracketed;
    return TRUE;
}

static gboolean
parse_port(const char *text, guint64 least, guint16 *ret_port)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, least, G_MAXUINT16, &number, /* error= */ NULL))
        return FALSE;
    *ret_port = (guint16)number;
    return TRUE;
}

static gboolean
parse_ports(const char *text, ForwardAddress *forward)
{
    g_auto(GStrv) ports = g_strsplit(text, ":", /* max= */ 2);
    gboolean is_pair = ports[0] != NULL && ports[1] != NULL;

    return ports[0] != NULL && parse_port(ports[0], is_pair ? 0 : 1, &forward->port) &&
           parse_port(ports[is_pair], 1, &forward->guest_port);
}

gboolean
forward_address_parse(const char *word, ForwardAddress *ret_forward, GError **error)
{
    g_auto(ForwardAddress) forward = {0};
    const char *ports = word;

    if (!split_host(word, &forward.host, &ports) || g_str_equal(forward.host, "localhost")) {
        g_free(forward.host);
        forward.host = g_strdup("127.0.0.1");
    }
    if (!g_hostname_is_ip_address(forward.host)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s': '%s' is not a numeric address, such as 127.0.0.1 or [::1]", word,
                    forward.host);
        return FALSE;
    }
    if (!parse_ports(ports, &forward)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not of the form [HOST:]PORT[:GUESTPORT] with ports from 1 to 65535 "
                    "(PORT 0 before a GUESTPORT is any free port)",
                    word);
        return FALSE;
    }
    *ret_forward = forward;
    forward.host = NULL;
    return TRUE;
}
