/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* target: the parser of entries. */
#include "target.h"

#include <string.h>

#include "error.h"

#define NAME_MAX_BYTES 253u
#define LABEL_MAX 63u
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-_"

static const char *const protocols[] = {"", "tcp", "tls", "http", "inspect"};

const char *
net_protocol_name(NetProtocol protocol)
{
    return protocols[protocol];
}

/* --- names --- */

static gboolean
labels_are_valid(const char *name)
{
    for (;;) {
        gsize length = strspn(name, NAME_CHARACTERS);

        if (length == 0 || length > LABEL_MAX)
            return FALSE;
        if (name[length] == '\0')
            return !g_ascii_isdigit(*name);
        if (name[length] != '.')
            return FALSE;
        name += length + 1;
    }
}

char *
net_name_canonical(const char *name)
{
    gsize length = strlen(name);
    g_autofree char *lower = g_ascii_strdown(name, -1);

    if (length > 1 && lower[length - 1] == '.')
        lower[--length] = '\0';
    if (length > NAME_MAX_BYTES || !labels_are_valid(lower))
        return NULL;
    return g_steal_pointer(&lower);
}

gboolean
net_name_is_local(const char *name)
{
    /* RFC 6761, 6762 with appendix G, 7686, 8375; ICANN's reservation of "internal". */
    static const char *const local[] = {"arpa",      "corp",  "home",   "internal",
                                        "intranet",  "lan",   "local",  "localdomain",
                                        "localhost", "onion", "private"};
    const char *dot = strrchr(name, '.');

    for (gsize i = 0; dot && i < G_N_ELEMENTS(local); i++)
        if (g_str_equal(dot + 1, local[i]))
            return TRUE;
    return !dot;
}

/* --- the parts of an entry, from its end --- */

static gboolean
refuse(GError **error, const char *text, const char *reason)
{
    g_autofree char *shown = g_utf8_make_valid(text, (gssize)strnlen(text, NET_TARGET_MAX));

    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT, "'%s': %s", shown, reason);
    return FALSE;
}

/* Cuts "/tcp" and the like off. What follows another '/' is the length of a prefix. */
static gboolean
take_protocol(char *rest, NetTarget *target, GError **error)
{
    char *slash = strrchr(rest, '/');

    if (!slash || g_ascii_isdigit(slash[1]))
        return TRUE;
    for (guint i = NET_TCP; i <= NET_INSPECT; i++)
        if (g_str_equal(slash + 1, protocols[i])) {
            target->protocol = (NetProtocol)i;
            *slash = '\0';
            return TRUE;
        }
    return refuse(error, target->text, "after '/', tcp, tls, http or inspect is expected");
}

static gboolean
parse_port(const char *text, guint16 *ret)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &port, NULL))
        return FALSE;
    *ret = (guint16)port;
    return TRUE;
}

static gboolean
parse_ports(char *text, NetTarget *target)
{
    char *dash = strchr(text, '-');

    if (dash)
        *dash = '\0';
    return parse_port(text, &target->port_first) &&
           parse_port(dash ? dash + 1 : text, &target->port_last) &&
           target->port_first <= target->port_last;
}

/* Finds the colon before the ports: IPv6 has several, and stands in brackets where one follows. */
static char *
find_colon(char *rest)
{
    char *bracket = strrchr(rest, ']'), *colon = strrchr(rest, ':');

    if (bracket)
        return colon > bracket ? colon : NULL;
    return colon && strchr(rest, ':') == colon ? colon : NULL;
}

static gboolean
take_ports(char *rest, NetTarget *target, GError **error)
{
    char *colon = find_colon(rest);

    target->port_first = 1;
    target->port_last = G_MAXUINT16;
    if (!colon)
        return TRUE;
    *colon = '\0';
    return parse_ports(colon + 1, target) ||
           refuse(error, target->text, "after ':', a port (1 to 65535) or FIRST-LAST is expected");
}

/* --- targets --- */

static gboolean
parse_prefix(const char *text, guint bits, guint *ret)
{
    guint64 prefix = bits;

    if (text && !g_ascii_string_to_unsigned(text, 10, 0, bits, &prefix, NULL))
        return FALSE;
    *ret = (guint)prefix + 128 - bits;
    return TRUE;
}

/* Parses "ADDRESS", "[ADDRESS]", "ADDRESS/PREFIX" or "[ADDRESS]/PREFIX". FALSE: it is none of
 * them. */
static gboolean
parse_network(const char *rest, NetTarget *target)
{
    g_autofree char *copy = g_strdup(rest);
    char *address = copy, *slash = strrchr(copy, '/'), *end;
    NetAddress parsed;

    if (slash)
        *slash = '\0';
    end = address + strlen(address);
    if (*address == '[' && end > address + 1 && end[-1] == ']') {
        end[-1] = '\0';
        address++;
        if (!strchr(address, ':'))
            return FALSE;
    }
    if (!net_address_parse(address, &parsed) ||
        !parse_prefix(slash ? slash + 1 : NULL, strchr(address, ':') ? 128 : 32, &target->prefix))
        return FALSE;
    target->kind = NET_TARGET_NETWORK;
    target->network = parsed;
    return TRUE;
}

static gboolean
check_network(const NetTarget *target, GError **error)
{
    NetAddress masked = target->network;

    net_address_mask(&masked, target->prefix);
    return memcmp(&masked, &target->network, sizeof masked) == 0 ||
           refuse(error, target->text, "bits after the prefix must be zero");
}

static gboolean
parse_host(const char *rest, NetTarget *target, GError **error)
{
    gboolean is_below = g_str_has_prefix(rest, "*.");
    g_autofree char *name = NULL;

    if (g_str_equal(rest, "*")) {
        target->kind = NET_TARGET_ALL;
        return TRUE;
    }
    if (parse_network(rest, target))
        return check_network(target, error);
    name = net_name_canonical(is_below ? rest + 2 : rest);
    if (!name)
        return refuse(error, target->text,
                      "a name, *.NAME, *, an address or ADDRESS/PREFIX is expected");
    target->kind = is_below ? NET_TARGET_BELOW : NET_TARGET_NAME;
    target->name = is_below ? g_strconcat(".", name, NULL) : g_steal_pointer(&name);
    return TRUE;
}

static gboolean
check_protocol(const NetTarget *target, GError **error)
{
    if (target->protocol != NET_INSPECT || target->kind == NET_TARGET_NAME)
        return TRUE;
    return refuse(error, target->text, "/inspect needs the name of one host");
}

NetTarget *
net_target_parse(const char *text, GError **error)
{
    g_autoptr(NetTarget) target = g_new0(NetTarget, 1);
    g_autofree char *rest = g_strdup(text);

    target->text = g_strdup(text);
    if (strlen(text) > NET_TARGET_MAX) {
        refuse(error, text, "it is too long");
        return NULL;
    }
    if (!take_protocol(rest, target, error) || !take_ports(rest, target, error) ||
        !parse_host(rest, target, error) || !check_protocol(target, error))
        return NULL;
    return g_steal_pointer(&target);
}

void
net_target_free(NetTarget *target)
{
    if (!target)
        return;
    g_free(target->name);
    g_free(target->text);
    g_free(target);
}

/* --- matches --- */

gboolean
net_target_has_name(const NetTarget *target, const char *name)
{
    if (target->kind == NET_TARGET_BELOW)
        return g_str_has_suffix(name, target->name) && strlen(name) > strlen(target->name);
    return target->kind == NET_TARGET_ALL ||
           (target->kind == NET_TARGET_NAME && g_str_equal(name, target->name));
}

gboolean
net_target_has_address(const NetTarget *target, const NetAddress *address)
{
    return target->kind == NET_TARGET_ALL ||
           (target->kind == NET_TARGET_NETWORK &&
            net_address_matches(address, &target->network, target->prefix));
}

gboolean
net_target_has_port(const NetTarget *target, guint16 port)
{
    return port >= target->port_first && port <= target->port_last;
}

/* How closely a target describes a host. */
static gsize
get_precision(const NetTarget *target)
{
    switch (target->kind) {
    case NET_TARGET_NAME:
        return G_MAXSIZE;
    case NET_TARGET_BELOW:
        return strlen(target->name);
    case NET_TARGET_NETWORK:
        return target->prefix + 1;
    case NET_TARGET_ALL:
        break;
    }
    return 0;
}

gboolean
net_target_is_narrower(const NetTarget *a, const NetTarget *b)
{
    gsize precision_a = get_precision(a), precision_b = get_precision(b);

    if (precision_a != precision_b)
        return precision_a > precision_b;
    return a->port_last - a->port_first < b->port_last - b->port_first;
}
