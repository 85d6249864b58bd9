/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* network-message: a list of the messages of libraries that many programs use. */
#include "network-message.h"

#include <string.h>

/* Of getaddrinfo(), curl and git, wget, apt, ssh, Node, Go, Rust, Java, PHP, R, Python's asyncio,
 * and errno. */
static const char *const certain[] = {
    "name or service not known",
    "temporary failure in name resolution",
    "no address associated with hostname",
    "name does not resolve",
    "could not resolve host",
    "couldn't resolve host",
    "unable to resolve host",
    "temporary failure resolving",
    "failed to resolve",
    "enotfound",
    "eai_again",
    "no such host",
    "server misbehaving",
    "failed to lookup address",
    "unknownhostexception",
    "php_network_getaddresses",
    "the package index cannot be reached", /* pip in our images */
    "network is unreachable",
    "enetunreach",
    " ms: couldn't connect to server",  /* curl, without the reason */
    " ms: could not connect to server", /* its newer versions */
    "status was 'couldn't connect to server'",
    "status was 'could not connect to server'",
    "connect call failed",
    "no route to host",
    "ehostunreach",
    NULL,
};

static const char *const possible[] = {
    "connection refused", "connection reset",   "econnrefused",
    "econnreset",         "connect to server",  "ssl_error_syscall",
    "403 forbidden",      "403: forbidden",     "gnutls_handshake()",
    "unexpected eof",     "connection aborted", "connection closed",
    "remote end closed",  "socket hang up",     NULL,
};

/* Services of the sandbox itself; and sudo, which looks up the host name and goes on. */
static const char *const excluded[] = {"localhost", "127.0.0.", "::1", "0.0.0.0", "sudo: ", NULL};

static gboolean
has_any(const char *line, const char *const *parts)
{
    for (; *parts != NULL; parts++) {
        if (strstr(line, *parts) != NULL)
            return TRUE;
    }
    return FALSE;
}

/* line: in lower case. */
static NetworkMessage
judge(char *line)
{
    char *own_end = strstr(line, " - local ("); /* of Node, often "0.0.0.0:0" */

    if (own_end != NULL)
        *own_end = '\0';
    if (has_any(line, excluded))
        return NETWORK_MESSAGE_NONE;
    if (has_any(line, certain))
        return NETWORK_MESSAGE_CERTAIN;
    return has_any(line, possible) ? NETWORK_MESSAGE_POSSIBLE : NETWORK_MESSAGE_NONE;
}

/* Output may have zero bytes. */
static char *
lower_lines(const char *text, gsize size)
{
    char *lower = g_malloc(size + 1);

    for (gsize i = 0; i < size; i++)
        lower[i] = text[i] == '\0' || text[i] == '\r' ? '\n' : g_ascii_tolower(text[i]);
    lower[size] = '\0';
    return lower;
}

NetworkMessage
network_message_find(const char *text, gsize size)
{
    g_autofree char *lower = lower_lines(text, size);
    NetworkMessage found = NETWORK_MESSAGE_NONE;
    char *rest = lower, *line;

    while ((line = strsep(&rest, "\n")) != NULL)
        found = MAX(found, judge(line));
    return found;
}
