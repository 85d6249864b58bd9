/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-runner-requests: the host builds requests for a runner. */
#include "error.h"
#include "frames.h"

#include <string.h>

static const guint8 nonce[RUNNER_NONCE_SIZE] = {'0', '1', '2', '3', '4', '5', '6', '7',
                                                '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

static void
test_encode_sync(void)
{
    g_autoptr(GByteArray) expected = g_byte_array_new();
    GByteArray *payload = g_byte_array_new();
    g_autoptr(GBytes) bytes = runner_encode_sync(3, nonce);
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);

    g_byte_array_append(
        expected,
        (const guint8 *)"\xff\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe", 16);
    put_bytes(payload, nonce, sizeof nonce);
    put_frame(expected, 3, 3, payload);
    g_assert_cmpmem(data, size, expected->data, expected->len);
}

static void
test_reseed(void)
{
    const char *const environment[] = {"A=1", NULL};
    guint8 entropy[RUNNER_ENTROPY_MIN];
    g_autoptr(GByteArray) expected = g_byte_array_new();
    GByteArray *payload = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    memset(entropy, 0xE5, sizeof entropy);
    put_bytes(payload, entropy, sizeof entropy);
    put_u32(payload, 1);
    put_text(payload, "A=1");
    put_text(payload, "/home/user");
    put_frame(expected, 3, 1, payload);

    g_autoptr(GBytes) frame =
        runner_encode_reseed(3, entropy, sizeof entropy, environment, "/home/user", &error);
    g_assert_no_error(error);
    gsize size;
    const guint8 *data = g_bytes_get_data(frame, &size);
    g_assert_cmpmem(data, size, expected->data, expected->len);
}

static void
test_execute(void)
{
    g_autoptr(GByteArray) expected = g_byte_array_new();
    GByteArray *payload = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    put_u32(payload, RUNNER_SILENT | RUNNER_NO_HISTORY);
    put_text(payload, "typescript");
    put_text(payload, "print('\xc3\xa4')");
    put_u32(payload, 0);
    put_frame(expected, G_MAXUINT32, 2, payload);

    g_autoptr(GBytes) frame =
        runner_encode_execute(G_MAXUINT32, RUNNER_SILENT | RUNNER_NO_HISTORY, "typescript",
                              "print('\xc3\xa4')", NULL, &error);
    g_assert_no_error(error);
    gsize size;
    const guint8 *data = g_bytes_get_data(frame, &size);
    g_assert_cmpmem(data, size, expected->data, expected->len);
}

static void
test_check(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) check = runner_encode_check(7, "typescript", "f(", &error);
    g_autoptr(GBytes) execute =
        runner_encode_execute(7, RUNNER_SILENT, "?typescript", "f(", NULL, NULL);

    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(check, execute));
}

static void
test_too_long(void)
{
    g_autofree char *half = g_strnfill(RUNNER_FRAME_MAX / 2, 'x');
    const char *const environment[] = {half, NULL};
    g_autoptr(GError) error = NULL;

    g_assert_null(runner_encode_execute(1, 0, "", half, environment, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT);

    g_autoptr(GBytes) frame = runner_encode_execute(1, 0, "", half, NULL, NULL);
    g_assert_cmpuint(g_bytes_get_size(frame), ==, 12 + 4 + 4 + 4 + RUNNER_FRAME_MAX / 2 + 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runner-requests/encode-sync", test_encode_sync);
    g_test_add_func("/runner-requests/reseed", test_reseed);
    g_test_add_func("/runner-requests/execute", test_execute);
    g_test_add_func("/runner-requests/check", test_check);
    g_test_add_func("/runner-requests/too-long", test_too_long);
    return g_test_run();
}
