/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-routes: what becomes of connections when the host's routes say nothing. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fake-world.h"
#include "net.h"

#define ADDRESS "93.184.216.30"
#define PORT 4 /* of a server that answers */

/* Asks for a connection, and returns the errno of its RESET; 0: the server has answered. */
static guint32
connect_to(const char *host, int reach_error, guint *ret_servers)
{
    FakeWorld world = {.reach_error = reach_error};
    guint8 frame[NET_FRAME_MAX], *answer = g_malloc(NET_FRAME_MAX);
    const guint8 *payload;
    guint32 error = 0;
    WireHeader header;
    gssize size = 0;
    size_t used;

    fake_world_begin(&world);
    fake_world_set(&world);
    fake_world_greet(&world);
    size = net_request_put(frame, 1, host, PORT);
    g_assert_cmpint(send(world.port, frame, (gsize)size, 0), ==, size);
    do {
        fake_world_step(&world);
        g_assert_true(world.goes_on);
        size = recv(world.port, answer, NET_FRAME_MAX, 0);
    } while (size < 0);
    g_assert_cmpint(net_frame_get(answer, (gsize)size, &header, &payload, &used), ==, 1);
    if (header.type == NET_RESET)
        g_assert_cmpint(net_number_get(payload, header.length, &error), ==, 0);
    else
        g_assert_cmpint(header.type, ==, NET_DATA);
    *ret_servers = world.n_servers;
    fake_world_end(&world);
    g_free(answer);
    return error;
}

static void
test_errors(void)
{
    static const struct {
        int reach_error;
        guint32 expected;
    } cases[] = {
        {0, 0},
        {-ENETUNREACH, ENETUNREACH},
        {-EHOSTUNREACH, EHOSTUNREACH},
        {-EAGAIN, EACCES},
        {-EPROTO, EACCES},
        {-EACCES, EACCES},
    };
    static const char *const hosts[] = {ADDRESS, "a.example"};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(hosts); j++) {
            guint servers;

            g_assert_cmpuint(connect_to(hosts[j], cases[i].reach_error, &servers), ==,
                             cases[i].expected);
            g_assert_cmpuint(servers, ==, cases[i].expected == 0 ? 1 : 0);
        }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/routes/errors", test_errors);
    return g_test_run();
}
