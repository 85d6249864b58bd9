/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-network-message: messages of programs that could not reach a host are recognized, and others
 * are not. */
#include <string.h>

#include "network-message.h"

static void
assert_found(const char *text, NetworkMessage expected)
{
    NetworkMessage found = network_message_find(text, strlen(text));

    if (found != expected)
        g_error("%d instead of %d: %s", found, expected, text);
}

/* As the programs of our images write them. */
static void
test_certain(void)
{
    static const char *const texts[] = {
        "curl: (6) Could not resolve host: pypi.org",
        "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com",
        "wget: unable to resolve host address \u2018pypi.org\u2019",
        "Err:1 http://deb.debian.org/debian bookworm InRelease\n"
        "  Temporary failure resolving 'deb.debian.org'",
        "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) "
        "after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection."
        "HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno -2] Name or "
        "service not known')': /simple/x/",
        "ERROR: The package index cannot be reached.",
        "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
        "socket.gaierror: [Errno -5] No address associated with hostname",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='a', port=443): Max retries "
        "exceeded with url: / (Caused by NameResolutionError(\"<X>: Failed to resolve 'a' ([Errno "
        "-2] Name or service not known)\"))",
        "npm error network request to https://registry.npmjs.org/x failed, reason: getaddrinfo "
        "ENOTFOUND registry.npmjs.org",
        "Error: getaddrinfo EAI_AGAIN registry.npmjs.org",
        "ssh: Could not resolve hostname github.com: Name or service not known",
        "OSError: [Errno 101] Network is unreachable",
        "connect ENETUNREACH 192.0.2.1:443",
        "curl: (7) Failed to connect to 192.0.2.1 port 80 after 0 ms: Couldn't connect to server",
        "curl: (7) Failed to connect to 192.0.2.1 port 80 after 2 ms: Could not connect to server",
        "fatal: unable to access 'https://192.0.2.1/a/': Failed to connect to 192.0.2.1 port 443 "
        "after 0 ms: Couldn't connect to server",
        "  URL 'http://192.0.2.1/': status was 'Couldn't connect to server'",
        "  URL 'http://192.0.2.1/': status was 'Could not connect to server'",
        "Connecting to 192.0.2.1:80... failed: Network is unreachable.",
        "W: Failed to fetch http://192.0.2.1/dists/x/InRelease  Cannot initiate the connection to "
        "192.0.2.1:80 (192.0.2.1). - connect (101: Network is unreachable)",
        "urllib.error.URLError: <urlopen error [Errno 101] Network is unreachable>",
        "OSError: [Errno 101] Connect call failed ('192.0.2.1', 80)",
        "npm ERR! network request to http://192.0.2.1/x failed, reason: connect ENETUNREACH "
        "192.0.2.1:80 - Local (0.0.0.0:0)",
        "ssh: connect to host 192.0.2.1 port 22: Network is unreachable",
        "ping: connect: No route to host",
        "dial tcp: lookup proxy.golang.org on 192.0.2.1:53: no such host",
        "error: failed to lookup address information: Name or service not known",
        "Exception in thread \"main\" java.net.UnknownHostException: pypi.org",
        "first\r\nCURL: (6) COULD NOT RESOLVE HOST: PYPI.ORG\r\nlast",
        "Connection refused\nNetwork is unreachable\nConnection reset",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_found(texts[i], NETWORK_MESSAGE_CERTAIN);
}

static void
test_possible(void)
{
    static const char *const texts[] = {
        "curl: (56) Recv failure: Connection reset by peer",
        "curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to pypi.org:443",
        "could not connect to server: Connection refused\nIs the server running on localhost?",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "ConnectionResetError: [Errno 104] Connection reset by peer",
        "http.client.RemoteDisconnected: Remote end closed connection without response",
        "Error: read ECONNRESET",
        "ERROR 403: Forbidden.",
        "403 Forbidden",
        "urllib.error.HTTPError: HTTP Error 403: Forbidden",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_found(texts[i], NETWORK_MESSAGE_POSSIBLE);
}

static void
test_none(void)
{
    static const char *const texts[] = {
        "",
        "\n",
        "ZeroDivisionError: division by zero",
        "cat: x: No such file or directory",
        "curl: (7) Failed to connect to localhost port 80 after 0 ms: Couldn't connect to server",
        "connect ECONNREFUSED 127.0.0.1:5432",
        "connect ECONNREFUSED ::1:5432",
        "sudo: unable to resolve host abcdefghij234567: Name or service not known",
        "Could not resolve\nhost: a",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_found(texts[i], NETWORK_MESSAGE_NONE);
}

/* Output need not be text, nor end with a line break. */
static void
test_bytes(void)
{
    static const char bytes[] = "\xff\0Network is unreachable\0localhost";

    g_assert_cmpint(network_message_find(bytes, sizeof bytes - 1), ==, NETWORK_MESSAGE_CERTAIN);
    g_assert_cmpint(network_message_find(bytes, strlen("x0Network is unreachabl")), ==,
                    NETWORK_MESSAGE_NONE);
    g_assert_cmpint(network_message_find(NULL, 0), ==, NETWORK_MESSAGE_NONE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/network-message/certain", test_certain);
    g_test_add_func("/network-message/possible", test_possible);
    g_test_add_func("/network-message/none", test_none);
    g_test_add_func("/network-message/bytes", test_bytes);
    return g_test_run();
}
