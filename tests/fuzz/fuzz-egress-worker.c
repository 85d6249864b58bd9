/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-egress-worker: a worker of cloche-egress with bytes of a hostile guest, or with a hostile
 * SET.
 *
 * The first byte chooses. Bytes of a guest come in pieces, each after a byte that says how long it
 * is, so that frames are cut at any place.
 */
#include <sys/socket.h>

#include "egress-protocol.h"
#include "fake-world.h"

#define SETTING 1

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void
feed(FakeWorld *world, const guint8 *data, gsize size)
{
    while (size > 0 && world->goes_on) {
        gsize piece = MIN(size - 1, data[0]);

        if (piece > 0)
            send(world->port, data + 1, piece, MSG_NOSIGNAL);
        data += 1 + piece;
        size -= 1 + piece;
        fake_world_step(world);
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FakeWorld world = {.is_discarding = TRUE};

    if (size == 0 || size > 64 * 1024)
        return 0;
    fake_world_begin(&world);
    if (data[0] == SETTING) {
        fake_world_send(&world, EGRESS_SET, data + 1, size - 1, /* fd= */ -1);
    } else {
        fake_world_set(&world);
        fake_world_greet(&world);
        feed(&world, data + 1, size - 1);
    }
    fake_world_step(&world);
    fake_world_end(&world);
    return 0;
}
