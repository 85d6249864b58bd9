/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-compose: states of snapshots, of what hostile machines have captured.
 *
 * The first byte says what follows: a capture ('c'), or the state of a template ('s'). A state that
 * is made begins as the template's does, and ends with the devices of the capture.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compose.h"
#include "error.h"
#include "streams.h"

#define RAM "0a0b0000"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GByteArray *
good_capture(void)
{
    GByteArray *capture = stream_capture("of the machine");

    stream_add_run(capture, 2, "xy");
    stream_end_capture(capture, 1);
    return capture;
}

static void
check(int out, const GByteArray *state)
{
    g_autoptr(GByteArray) made = stream_read(out);

    g_assert_cmpuint(made->len, >, 12);
    g_assert_cmpmem(made->data, 12, state->data, 12);
    g_assert_cmpint(made->data[made->len - 1], ==, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) state = stream_state(), capture = good_capture();
    g_autoptr(GError) error = NULL;
    GByteArray *replaced;
    int fds[4];

    if (size == 0)
        return 0;
    replaced = data[0] == 's' ? state : capture;
    g_byte_array_set_size(replaced, 0);
    g_byte_array_append(replaced, data + 1, (guint)size - 1);
    fds[0] = stream_file(state->data, state->len);
    fds[1] = stream_ram(RAM);
    fds[2] = stream_file(capture->data, capture->len);
    fds[3] = stream_file("", 0);
    if (compose_state(fds[0], fds[1], fds[2], fds[3], &error))
        check(fds[3], state);
    else
        g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    return 0;
}
