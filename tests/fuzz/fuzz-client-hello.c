/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-client-hello: the first bytes of a connection of a guest. */
#include <stdint.h>
#include <string.h>

#include "client-hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_name(const char *name)
{
    gsize size = strlen(name);

    g_assert_true(size > 0 && size <= CLIENT_HELLO_NAME_MAX);
    g_assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == size);
    g_assert_true(name[0] != '.' && name[size - 1] != '.' && !strstr(name, ".."));
}

/* What a longer piece says, a shorter one says, or it needs more. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[CLIENT_HELLO_NAME_MAX + 1], other[CLIENT_HELLO_NAME_MAX + 1];
    ClientHello whole = client_hello_read(data, size, name);
    ClientHello half = client_hello_read(data, size / 2, other);

    if (whole == CLIENT_HELLO_NAME)
        check_name(name);
    g_assert_true(half == CLIENT_HELLO_MORE || half == whole);
    if (half == CLIENT_HELLO_NAME)
        g_assert_cmpstr(name, ==, other);
    g_assert_true(whole != CLIENT_HELLO_MORE || size < CLIENT_HELLO_BYTES_MAX);
    return 0;
}
