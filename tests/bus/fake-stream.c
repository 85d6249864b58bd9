/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake-stream: QEMU's migration stream without devices, and a capture with one page. */
#include "fake-stream.h"

#include <string.h>
#include <unistd.h>

#include "capture.h"

#define MAGIC "QEVM\0\0\0\003"
#define MAGIC_SIZE 8
#define RAM_SECTION 2u

static void
put(GByteArray *out, const void *data, gsize size)
{
    g_byte_array_append(out, data, (guint)size);
}

static void
put_number(GByteArray *out, guint64 number, guint bytes)
{
    const guint64 big = GUINT64_TO_BE(number);

    put(out, (const guint8 *)&big + sizeof big - bytes, bytes);
}

static void
put_text(GByteArray *out, const char *text)
{
    put_number(out, strlen(text), 1);
    put(out, text, strlen(text));
}

static void
put_configuration(GByteArray *out)
{
    put_number(out, 0x07, 1);
    put_number(out, strlen("fake-1"), 4);
    put(out, "fake-1", strlen("fake-1"));
    put_number(out, 0x05, 1);
    put_text(out, "configuration/capabilities");
    put_number(out, 1, 4); /* version */
    put_number(out, 1, 4); /* capabilities */
    put_text(out, "x-ignore-shared");
}

static void
put_end_of_records(GByteArray *out)
{
    put_number(out, 0x10, 8);
    put_number(out, 0x7e, 1);
    put_number(out, RAM_SECTION, 4);
}

static void
put_ram(GByteArray *out, guint64 size)
{
    put_number(out, 0x01, 1);
    put_number(out, RAM_SECTION, 4);
    put_text(out, "ram");
    put_number(out, 0, 4); /* instance */
    put_number(out, 4, 4); /* version */
    put_number(out, size | 0x04, 8);
    put_text(out, "cloche.ram");
    put_number(out, size, 8);
    put_number(out, 0, 8); /* address */
    put_end_of_records(out);
    put_number(out, 0x03, 1);
    put_number(out, RAM_SECTION, 4);
    put_end_of_records(out);
}

static void
put_devices(GByteArray *out)
{
    put_number(out, 0x04, 1);
    put_text(out, "fake");
    put_number(out, 0x00, 1);
}

static gboolean
write_all(int fd, const GByteArray *bytes)
{
    return write(fd, bytes->data, bytes->len) == (gssize)bytes->len;
}

gboolean
fake_stream_write_state(int fd, guint64 ram_size)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    put(out, MAGIC, MAGIC_SIZE);
    put_configuration(out);
    put_ram(out, ram_size);
    put_devices(out);
    return write_all(fd, out);
}

static void
put_little(GByteArray *out, guint64 number)
{
    const guint64 little = GUINT64_TO_LE(number);

    put(out, &little, sizeof little);
}

gboolean
fake_stream_write_capture(int fd, const char *text)
{
    g_autoptr(GByteArray) devices = g_byte_array_new(), out = g_byte_array_new();
    char page[CAPTURE_PAGE] = {0};

    g_strlcpy(page, text, sizeof page);
    put(devices, MAGIC, MAGIC_SIZE);
    put_devices(devices);
    put(out, CAPTURE_MAGIC, CAPTURE_MAGIC_SIZE);
    put_little(out, devices->len);
    put(out, devices->data, devices->len);
    put_little(out, CAPTURE_PAGE); /* offset */
    put_little(out, CAPTURE_PAGE);
    put(out, page, sizeof page);
    put_little(out, CAPTURE_END);
    put_little(out, 1);
    return write_all(fd, out);
}
