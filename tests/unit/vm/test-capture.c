/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-capture: the file of a capture, written and read. compose's test reads malformed ones. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "error.h"
#include "util.h"

#define MIB (1024 * 1024)

/* Each page of RAM consists of the lowest byte of its number. */
static gboolean
read_ram(guint64 offset, void *to, gsize size, gpointer data, GError **error)
{
    for (gsize i = 0; i < size; i++)
        ((guint8 *)to)[i] = (guint8)((offset + i) / CAPTURE_PAGE);
    return TRUE;
}

static gboolean
fail_to_read(guint64 offset, void *to, gsize size, gpointer data, GError **error)
{
    return util_set_errno(error, EIO, "the memory");
}

static void
expect_run(CaptureReader *reader, guint64 offset, guint64 size)
{
    g_autofree guint8 *pages = g_malloc(size), *expected = g_malloc(size);
    guint64 found_offset = 1, found_size = 1;
    GError *error = NULL;

    g_assert_cmpint(capture_reader_next(reader, &found_offset, &found_size, &error), ==, 1);
    g_assert_cmpuint(found_offset, ==, offset);
    g_assert_cmpuint(found_size, ==, size);
    g_assert_true(capture_reader_read(reader, pages, CAPTURE_PAGE, &error));
    g_assert_true(capture_reader_read(reader, pages + CAPTURE_PAGE, size - CAPTURE_PAGE, &error));
    read_ram(offset, expected, size, NULL, NULL);
    g_assert_cmpmem(pages, size, expected, size);
}

static guint64
size_of(int fd)
{
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return (guint64)st.st_size;
}

/* Runs of one page, and of more than a buffer, to the end of RAM. */
static void
test_round_trip(void)
{
    int fd = memfd_create("capture", MFD_CLOEXEC);
    g_autoptr(CaptureWriter) writer = capture_writer_new(fd);
    g_autoptr(CaptureReader) reader = NULL;
    const guint8 *devices;
    gsize size;
    guint64 offset, length;
    GError *error = NULL;

    g_assert_true(capture_writer_begin(writer, "devices", 7, &error));
    g_assert_true(capture_writer_add(writer, 0, CAPTURE_PAGE, read_ram, NULL, &error));
    g_assert_true(capture_writer_add(writer, MIB, 3 * MIB, read_ram, NULL, &error));
    g_assert_true(capture_writer_add(writer, 4 * MIB, MIB, read_ram, NULL, &error));
    g_assert_true(capture_writer_end(writer, &error));
    g_assert_cmpuint(size_of(fd), ==, 16 + 8 + 7 + 3 * 16 + CAPTURE_PAGE + 4 * MIB + 16);

    reader = capture_reader_new(fd, 5 * MIB, &error);
    g_assert_no_error(error);
    devices = capture_reader_get_devices(reader, &size);
    g_assert_cmpmem(devices, size, "devices", 7);
    expect_run(reader, 0, CAPTURE_PAGE);
    expect_run(reader, MIB, 3 * MIB);
    expect_run(reader, 4 * MIB, MIB);
    g_assert_cmpint(capture_reader_next(reader, &offset, &length, &error), ==, 0);
    g_assert_no_error(error);
    close(fd);
}

/* Nothing is left of the rehearsal, whether it was longer or shorter. */
static void
test_rehearsal(void)
{
    const guint64 sizes[] = {0, 1, CAPTURE_PAGE, MIB, MIB + 1, 3 * MIB};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        int fd = memfd_create("capture", MFD_CLOEXEC);
        g_autoptr(CaptureWriter) writer = capture_writer_new(fd);
        g_autoptr(CaptureReader) reader = NULL;
        guint64 offset, length;
        GError *error = NULL;

        g_assert_true(capture_writer_rehearse(writer, sizes[i], &error));
        g_assert_cmpuint(size_of(fd), ==, sizes[i]);
        g_assert_true(capture_writer_begin(writer, "devices", 7, &error));
        g_assert_true(capture_writer_add(writer, 0, MIB, read_ram, NULL, &error));
        g_assert_true(capture_writer_end(writer, &error));
        reader = capture_reader_new(fd, MIB, &error);
        g_assert_no_error(error);
        expect_run(reader, 0, MIB);
        g_assert_cmpint(capture_reader_next(reader, &offset, &length, &error), ==, 0);
        g_assert_no_error(error);
        close(fd);
    }
}

/* A disk that is full. */
static void
test_no_room(void)
{
    int fd = memfd_create("capture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_autoptr(CaptureWriter) writer = capture_writer_new(fd);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(ftruncate(fd, MIB), ==, 0);
    g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), ==, 0);
    g_assert_true(capture_writer_rehearse(writer, MIB, &error));
    g_assert_no_error(error);
    g_assert_false(capture_writer_rehearse(writer, MIB + 1, &error));
    g_assert_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "cannot write the capture"));
    close(fd);
}

static void
test_no_memory(void)
{
    int fd = memfd_create("capture", MFD_CLOEXEC);
    g_autoptr(CaptureWriter) writer = capture_writer_new(fd);
    g_autoptr(GError) error = NULL;

    g_assert_true(capture_writer_begin(writer, "devices", 7, &error));
    g_assert_false(capture_writer_add(writer, 0, CAPTURE_PAGE, fail_to_read, NULL, &error));
    g_assert_nonnull(strstr(error->message, "the memory"));
    close(fd);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm/capture/round-trip", test_round_trip);
    g_test_add_func("/vm/capture/rehearsal", test_rehearsal);
    g_test_add_func("/vm/capture/no-room", test_no_room);
    g_test_add_func("/vm/capture/no-memory", test_no_memory);
    return g_test_run();
}
