/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flooder KIND DIR UID SANDBOX: floods the service of a fixture, as this user, until it is killed.
 *
 * DIR is the fixture's, SANDBOX an object of the user's. When the flood has begun, it prints a
 * line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deaf-client.h"

#define MANAGER "/org/cloche1"
#define CLIENTS_MAX 40u
#define MIB (1024u * 1024)

static const char *sandbox;

/* --- calls --- */

static void
get_quota(DeafClient *client)
{
    deaf_client_call(client, MANAGER, "org.cloche1.Manager.GetQuota", "()");
}

static void
introspect(DeafClient *client)
{
    deaf_client_call(client, MANAGER, "org.freedesktop.DBus.Introspectable.Introspect", "()");
}

static void
list(DeafClient *client)
{
    deaf_client_call(client, MANAGER, "org.cloche1.Manager.ListSandboxes", "(@a{sv} {},)");
}

static void
set_timeout(DeafClient *client)
{
    deaf_client_call(client, sandbox, "org.cloche1.Sandbox.SetTimeout", "(uint64 3600,)");
}

static void
start(DeafClient *client)
{
    deaf_client_call(client, sandbox, "org.cloche1.Sandbox.Start",
                     "(['sleep', '1000'], @a{sv} {})");
}

/* A program that does not read it. */
static void
run_with_input(DeafClient *client)
{
    g_autofree char *text = g_strnfill(MIB, 'x');

    deaf_client_call(client, sandbox, "org.cloche1.Sandbox.Run",
                     "(['sleep', '1000'], {'stdin': <%s>})", text);
}

/* A message of 100,000 values. */
static void
run_with_values(DeafClient *client)
{
    g_autoptr(GVariantBuilder) argv = g_variant_builder_new(G_VARIANT_TYPE_STRING_ARRAY);

    for (guint i = 0; i < 100000; i++)
        g_variant_builder_add(argv, "s", "");
    deaf_client_call(client, sandbox, "org.cloche1.Sandbox.Run", "(%@as, @a{sv} {})",
                     g_variant_builder_end(argv));
}

static const struct {
    const char *kind;
    void (*call)(DeafClient *client);
    guint clients, pipelined; /* calls of one client that are under way */
    gboolean reads;
} floods[] = {
    {"calls", get_quota, CLIENTS_MAX, 100, TRUE},
    {"set-timeout", set_timeout, CLIENTS_MAX, 100, TRUE},
    {"values", run_with_values, 2, 1, TRUE},
    {"unread-bytes", list, CLIENTS_MAX, 100, FALSE},
    {"unread-introspection", introspect, CLIENTS_MAX, 100, FALSE},
    {"unread-descriptors", start, 8, 20, FALSE},
    {"stdin", run_with_input, CLIENTS_MAX, 1, FALSE},
};

static void
send_calls(DeafClient *client, gsize kind, guint count)
{
    for (guint i = 0; i < count; i++)
        floods[kind].call(client);
}

int
main(int argc, char **argv)
{
    Fixture fixture = {.dir = argv[2]};
    DeafClient *clients[CLIENTS_MAX];
    gsize kind = 0;

    g_assert_cmpint(argc, ==, 5);
    sandbox = argv[4];
    while (!g_str_equal(floods[kind].kind, argv[1]))
        g_assert_cmpuint(++kind, <, G_N_ELEMENTS(floods));
    for (guint i = 0; i < floods[kind].clients; i++) {
        clients[i] = deaf_client_new(&fixture, (uid_t)atoi(argv[3]));
        if (floods[kind].reads)
            deaf_client_answer_pings(clients[i]);
        else
            deaf_client_fill(clients[i]);
        send_calls(clients[i], kind, floods[kind].pipelined);
    }
    puts("flooding");
    fflush(stdout);
    while (floods[kind].reads)
        for (guint i = 0; i < floods[kind].clients; i++) {
            const DeafCount count = deaf_client_drain(clients[i]);

            send_calls(clients[i], kind, count.answers + count.errors);
        }
    for (;;)
        g_usleep(G_USEC_PER_SEC);
}
