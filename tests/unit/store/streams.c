/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* streams: states of templates and captures, as small as they can be. */
#include "streams.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void
stream_put(GByteArray *to, guint64 number, guint bytes)
{
    const guint64 big = GUINT64_TO_BE(number);

    g_byte_array_append(to, (const guint8 *)&big + sizeof big - bytes, bytes);
}

void
stream_put_text(GByteArray *to, const char *text)
{
    stream_put(to, strlen(text), 1);
    g_byte_array_append(to, (const guint8 *)text, (guint)strlen(text));
}

void
stream_put_le64(GByteArray *to, guint64 number)
{
    const guint64 little = GUINT64_TO_LE(number);

    g_byte_array_append(to, (const guint8 *)&little, sizeof little);
}

static void
put_magic(GByteArray *to)
{
    g_byte_array_append(to, (const guint8 *)"QEVM\0\0\0\003", 8);
}

static void
put_configuration(GByteArray *to)
{
    stream_put(to, 0x07, 1);
    stream_put(to, strlen("pc-q35-7.2"), 4);
    g_byte_array_append(to, (const guint8 *)"pc-q35-7.2", strlen("pc-q35-7.2"));
    stream_put(to, 0x05, 1);
    stream_put_text(to, "configuration/capabilities");
    stream_put(to, 1, 4);
    stream_put(to, 1, 4);
    stream_put_text(to, "x-ignore-shared");
}

static void
put_block(GByteArray *to, const char *name, guint64 size, guint64 address)
{
    stream_put_text(to, name);
    stream_put(to, size, 8);
    stream_put(to, address, 8);
}

static void
put_footer(GByteArray *to)
{
    stream_put(to, 0x10, 8);
    stream_put(to, 0x7e, 1);
    stream_put(to, STREAM_SECTION, 4);
}

static void
put_page(GByteArray *to, guint64 head, const char *block, guint8 content)
{
    guint8 page[STREAM_PAGE];

    memset(page, content, sizeof page);
    stream_put(to, head, 8);
    if (block)
        stream_put_text(to, block);
    g_byte_array_append(to, page, sizeof page);
}

GByteArray *
stream_head(void)
{
    GByteArray *head = g_byte_array_new();

    put_magic(head);
    put_configuration(head);
    stream_put(head, 0x01, 1);
    stream_put(head, STREAM_SECTION, 4);
    stream_put_text(head, "ram");
    stream_put(head, 0, 4);
    stream_put(head, 4, 4);
    stream_put(head, (STREAM_RAM_SIZE + 2 * STREAM_PAGE) | 0x04, 8);
    put_block(head, "cloche.ram", STREAM_RAM_SIZE, 0);
    put_block(head, "pc.bios", 2 * STREAM_PAGE, 0xfffc0000);
    put_footer(head);
    stream_put(head, 0x02, 1);
    stream_put(head, STREAM_SECTION, 4);
    put_page(head, 0x08, "pc.bios", 'B');
    put_footer(head);
    return head;
}

GByteArray *
stream_end(void)
{
    GByteArray *end = g_byte_array_new();

    stream_put(end, 0x03, 1);
    stream_put(end, STREAM_SECTION, 4);
    put_page(end, STREAM_PAGE | 0x08, "pc.bios", 'C');
    stream_put(end, 0x22, 8); /* a zero page of the same block */
    stream_put(end, 0, 1);
    put_footer(end);
    return end;
}

GByteArray *
stream_devices(const char *content)
{
    GByteArray *devices = g_byte_array_new();

    stream_put(devices, 0x04, 1);
    g_byte_array_append(devices, (const guint8 *)content, (guint)strlen(content));
    stream_put(devices, 0x00, 1);
    return devices;
}

GByteArray *
stream_state(void)
{
    GByteArray *state = stream_head();
    g_autoptr(GByteArray) end = stream_end(), devices = stream_devices("of the template");

    g_byte_array_append(state, end->data, end->len);
    g_byte_array_append(state, devices->data, devices->len);
    return state;
}

/* --- captures --- */

GByteArray *
stream_capture(const char *content)
{
    GByteArray *capture = g_byte_array_new();
    g_autoptr(GByteArray) devices = stream_devices(content);

    g_byte_array_append(capture, (const guint8 *)"cloche-capture-1", 16);
    stream_put_le64(capture, 8 + devices->len);
    put_magic(capture);
    g_byte_array_append(capture, devices->data, devices->len);
    return capture;
}

static void
put_pages(GByteArray *to, const char *pages)
{
    for (; *pages; pages++) {
        guint8 page[STREAM_PAGE];

        memset(page, *pages == '0' ? 0 : *pages, sizeof page);
        g_byte_array_append(to, page, sizeof page);
    }
}

void
stream_add_run(GByteArray *capture, guint64 page, const char *pages)
{
    stream_put_le64(capture, page * STREAM_PAGE);
    stream_put_le64(capture, strlen(pages) * STREAM_PAGE);
    put_pages(capture, pages);
}

void
stream_end_capture(GByteArray *capture, guint64 runs)
{
    stream_put_le64(capture, G_MAXUINT64);
    stream_put_le64(capture, runs);
}

/* --- files --- */

int
stream_file(const void *data, gsize size)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, data, size, 0), ==, (gssize)size);
    return fd;
}

GByteArray *
stream_read(int fd)
{
    GByteArray *content = g_byte_array_new();
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_byte_array_set_size(content, (guint)st.st_size);
    g_assert_cmpint(pread(fd, content->data, content->len, 0), ==, st.st_size);
    return content;
}

int
stream_ram(const char *pages)
{
    g_autoptr(GByteArray) content = g_byte_array_new();

    put_pages(content, pages);
    return stream_file(content->data, content->len);
}
