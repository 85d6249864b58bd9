/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-stub: a kernel's stub is the part that QEMU reads before the guest boots. */
#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "vm-stub.h"

#define KERNEL_SIZE 100000

static char *directory;

/* A kernel with so many setup sectors, as a new file. */
static char *
kernel(guint8 sectors, gsize size)
{
    g_autofree char *bytes = g_malloc(KERNEL_SIZE);
    char *path = g_build_filename(directory, "kernel", NULL);
    GError *error = NULL;

    for (gsize i = 0; i < KERNEL_SIZE; i++)
        bytes[i] = (char)(i * 7 + i / 512);
    bytes[0x1f1] = (char)sectors;
    memcpy(bytes + 0x202, "HdrS", 4);
    g_file_set_contents(path, bytes, (gssize)size, &error);
    g_assert_no_error(error);
    return path;
}

static void
assert_stub(guint8 sectors, gsize expected)
{
    g_autofree char *path = kernel(sectors, KERNEL_SIZE), *whole = NULL, *stub = NULL;
    g_autofree char *stub_path = g_build_filename(directory, "stub", NULL);
    GError *error = NULL;
    gsize size;

    g_assert_true(stub_write(path, stub_path, &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents(path, &whole, /* length= */ NULL, NULL));
    g_assert_true(g_file_get_contents(stub_path, &stub, &size, NULL));
    g_assert_cmpmem(stub, size, whole, expected);
    g_unlink(stub_path);
    g_unlink(path);
}

static void
test_sizes(void)
{
    assert_stub(39, 41 * 512);
    assert_stub(0, 6 * 512);
    assert_stub(1, 3 * 512);
}

static void
assert_refused(char *path)
{
    g_autofree char *stub_path = g_build_filename(directory, "stub", NULL);
    GError *error = NULL;

    g_assert_false(stub_write(path, stub_path, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);
    g_assert_false(g_file_test(stub_path, G_FILE_TEST_EXISTS));
    g_unlink(path);
    g_free(path);
}

static void
test_no_kernel(void)
{
    assert_refused(kernel(39, 41 * 512 - 1));
    assert_refused(kernel(39, 0x203));
    assert_refused(kernel(39, 0));
    assert_refused(g_build_filename(directory, "absent", NULL));
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    directory = g_dir_make_tmp("cloche-test-stub-XXXXXX", /* error= */ NULL);
    g_assert_nonnull(directory);
    g_test_add_func("/vm/stub/sizes", test_sizes);
    g_test_add_func("/vm/stub/no-kernel", test_no_kernel);
    status = g_test_run();
    g_rmdir(directory);
    g_free(directory);
    return status;
}
