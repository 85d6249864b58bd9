/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* place: a colon divides; what is on its left decides. */
#include "place.h"

#include <gio/gio.h>
#include <string.h>

#include "client.h"

void
place_clear(Place *place)
{
    g_free(place->id);
    g_free(place->path);
}

void
place_forward_clear(PlaceForward *forward)
{
    g_free(forward->host);
}

gboolean
place_is_guest(const char *word)
{
    const char *id =
        g_str_has_prefix(word, CLIENT_SANDBOX_PATH) ? word + strlen(CLIENT_SANDBOX_PATH) : word;
    gsize before = strcspn(id, ":/");

    return before > 0 && id[before] == ':';
}

/* A path or a sandbox alone: the other half is missing. */
static char *
complete(const char *word)
{
    if (strchr(word, ':') != NULL || *word == '\0')
        return g_strdup("");
    return *word == '/' ? g_strdup_printf(": write ID:%s", word)
                        : g_strdup_printf(": write %s: or %s:PATH", word, word);
}

gboolean
place_parse(const char *word, Place *ret_place, GError **error)
{
    const char *colon;

    if (!place_is_guest(word)) {
        g_autofree char *meant = complete(word);

        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not of the form ID:PATH%s", word, meant);
        return FALSE;
    }
    colon = strchr(word, ':');
    ret_place->id = g_strndup(word, colon - word);
    ret_place->path = g_strdup(colon[1] != '\0' ? colon + 1 : ".");
    return TRUE;
}

char *
place_base_name(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    if (g_str_equal(name, "/") || g_str_equal(name, ".") || g_str_equal(name, ".."))
        return NULL;
    return g_steal_pointer(&name);
}

/* --- forwardings --- */

/* The host before the first port; FALSE: there is none. *rest is set behind its colon. */
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
parse_ports(const char *text, PlaceForward *forward)
{
    g_auto(GStrv) ports = g_strsplit(text, ":", /* max= */ 2);
    gboolean is_pair = ports[0] != NULL && ports[1] != NULL;

    return ports[0] != NULL && parse_port(ports[0], is_pair ? 0 : 1, &forward->port) &&
           parse_port(ports[is_pair], 1, &forward->guest_port);
}

gboolean
place_parse_forward(const char *word, PlaceForward *ret_forward, GError **error)
{
    g_auto(PlaceForward) forward = {0};
    const char *ports = word;

    if (!split_host(word, &forward.host, &ports) || g_str_equal(forward.host, "localhost")) {
        g_free(forward.host);
        forward.host = g_strdup("127.0.0.1");
    }
    if (!g_hostname_is_ip_address(forward.host)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s': '%s' is no address of this machine: write numbers, as 127.0.0.1 or "
                    "[::1]",
                    word, forward.host);
        return FALSE;
    }
    if (!parse_ports(ports, &forward)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is not of the form [HOST:]PORT[:GUESTPORT], ports being 1 to 65535 (the "
                    "first of two may be 0: any that is free)",
                    word);
        return FALSE;
    }
    *ret_forward = forward;
    forward.host = NULL;
    return TRUE;
}
