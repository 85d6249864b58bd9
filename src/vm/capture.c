/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture: writes and reads the file of a capture. */
#include "capture.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "util.h"

#define BUFFER_SIZE (1024 * 1024)

/* --- writing --- */

struct CaptureWriter {
    int fd;
    guint64 position; /* in the file, of the start of the buffer */
    guint64 runs;
    gsize length; /* of the bytes in the buffer */
    guint8 buffer[BUFFER_SIZE];
};

/* The first write to a page of new memory takes longer than a copy. */
CaptureWriter *
capture_writer_new(int fd)
{
    CaptureWriter *writer = g_new(CaptureWriter, 1);

    memset(writer, 0xff, sizeof *writer);
    writer->fd = fd;
    writer->position = writer->runs = 0;
    writer->length = 0;
    return writer;
}

void
capture_writer_free(CaptureWriter *writer)
{
    g_free(writer);
}

static gboolean
flush(CaptureWriter *writer, GError **error)
{
    const guint8 *from = writer->buffer;

    while (writer->length > 0) {
        gssize n = pwrite(writer->fd, from, writer->length, (off_t)writer->position);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return util_set_errno(error, n < 0 ? errno : EIO, "cannot write the capture");
        from += n;
        writer->length -= (gsize)n;
        writer->position += (guint64)n;
    }
    return TRUE;
}

static gboolean
put(CaptureWriter *writer, const void *data, gsize size, GError **error)
{
    const guint8 *from = data;

    while (size > 0) {
        gsize part = MIN(size, BUFFER_SIZE - writer->length);

        memcpy(writer->buffer + writer->length, from, part);
        writer->length += part;
        from += part;
        size -= part;
        if (writer->length == BUFFER_SIZE && !flush(writer, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
put_u64(CaptureWriter *writer, guint64 value, GError **error)
{
    const guint64 little = GUINT64_TO_LE(value);

    return put(writer, &little, sizeof little, error);
}

gboolean
capture_writer_rehearse(CaptureWriter *writer, guint64 size, GError **error)
{
    writer->position = 0;
    for (; size > 0; size -= MIN(size, BUFFER_SIZE)) {
        writer->length = MIN(size, BUFFER_SIZE);
        if (!flush(writer, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
capture_writer_begin(CaptureWriter *writer, const void *devices, gsize devices_size, GError **error)
{
    writer->position = writer->runs = 0;
    writer->length = 0;
    return put(writer, CAPTURE_MAGIC, CAPTURE_MAGIC_SIZE, error) &&
           put_u64(writer, devices_size, error) && put(writer, devices, devices_size, error);
}

gboolean
capture_writer_add(CaptureWriter *writer, guint64 offset, guint64 size, CaptureRead read,
                   gpointer data, GError **error)
{
    if (!put_u64(writer, offset, error) || !put_u64(writer, size, error))
        return FALSE;
    writer->runs++;
    while (size > 0) {
        gsize part = MIN(size, BUFFER_SIZE - writer->length);

        if (!read(offset, writer->buffer + writer->length, part, data, error))
            return FALSE;
        writer->length += part;
        offset += part;
        size -= part;
        if (writer->length == BUFFER_SIZE && !flush(writer, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
capture_writer_end(CaptureWriter *writer, GError **error)
{
    if (!put_u64(writer, CAPTURE_END, error) || !put_u64(writer, writer->runs, error) ||
        !flush(writer, error))
        return FALSE;
    if (ftruncate(writer->fd, (off_t)writer->position) < 0)
        return util_set_errno(error, errno, "cannot write the capture");
    return TRUE;
}

/* --- reading --- */

struct CaptureReader {
    int fd;
    guint64 ram_size;
    guint64 runs;
    guint64 after; /* the end of the previous run, in RAM */
    guint64 left;  /* bytes of the present run that were not read */
    guint8 *devices;
    gsize devices_size;
    guint64 position; /* in the file, of the end of the buffer */
    gsize begin, end; /* of the bytes in the buffer that were not taken */
    guint8 buffer[BUFFER_SIZE];
};

static gboolean
set_malformed(GError **error, const char *what)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "the capture is malformed: %s", what);
    return FALSE;
}

/* Sets `end` to 0 at the end of the file. */
static gboolean
fill(CaptureReader *reader, GError **error)
{
    gssize n;

    do
        n = pread(reader->fd, reader->buffer, BUFFER_SIZE, (off_t)reader->position);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return util_set_errno(error, errno, "cannot read the capture");
    reader->begin = 0;
    reader->end = (gsize)n;
    reader->position += (guint64)n;
    return TRUE;
}

static gboolean
take(CaptureReader *reader, void *data, gsize size, GError **error)
{
    guint8 *to = data;

    while (size > 0) {
        gsize part;

        if (reader->begin == reader->end && !fill(reader, error))
            return FALSE;
        if (reader->end == 0)
            return set_malformed(error, "it is cut off");
        part = MIN(size, reader->end - reader->begin);
        memcpy(to, reader->buffer + reader->begin, part);
        reader->begin += part;
        to += part;
        size -= part;
    }
    return TRUE;
}

static gboolean
take_u64(CaptureReader *reader, guint64 *ret, GError **error)
{
    guint64 little;

    if (!take(reader, &little, sizeof little, error))
        return FALSE;
    *ret = GUINT64_FROM_LE(little);
    return TRUE;
}

static gboolean
read_start(CaptureReader *reader, GError **error)
{
    guint8 magic[CAPTURE_MAGIC_SIZE];
    guint64 size;

    if (!take(reader, magic, sizeof magic, error))
        return FALSE;
    if (memcmp(magic, CAPTURE_MAGIC, sizeof magic) != 0)
        return set_malformed(error, "it does not begin as one");
    if (!take_u64(reader, &size, error))
        return FALSE;
    if (size > CAPTURE_DEVICES_MAX)
        return set_malformed(error, "its device state is too large");
    reader->devices_size = size;
    reader->devices = g_malloc(size);
    return take(reader, reader->devices, size, error);
}

CaptureReader *
capture_reader_new(int fd, guint64 ram_size, GError **error)
{
    CaptureReader *reader = g_new(CaptureReader, 1);

    memset(reader, 0, offsetof(CaptureReader, buffer));
    reader->fd = fd;
    reader->ram_size = ram_size;
    if (read_start(reader, error))
        return reader;
    capture_reader_free(reader);
    return NULL;
}

void
capture_reader_free(CaptureReader *reader)
{
    g_free(reader->devices);
    g_free(reader);
}

const guint8 *
capture_reader_get_devices(const CaptureReader *reader, gsize *ret_size)
{
    *ret_size = reader->devices_size;
    return reader->devices;
}

static gboolean
check_end(CaptureReader *reader, guint64 runs, GError **error)
{
    if (runs != reader->runs)
        return set_malformed(error, "it has not as many runs as it says");
    if (reader->begin == reader->end && !fill(reader, error))
        return FALSE;
    return reader->end == reader->begin || set_malformed(error, "it goes on after its end");
}

static gboolean
check_run(const CaptureReader *reader, guint64 offset, guint64 size, GError **error)
{
    if (offset % CAPTURE_PAGE != 0 || size % CAPTURE_PAGE != 0 || size == 0)
        return set_malformed(error, "a run does not consist of pages");
    if (offset < reader->after)
        return set_malformed(error, "its runs overlap");
    if (offset > reader->ram_size || size > reader->ram_size - offset)
        return set_malformed(error, "a run is beyond the memory");
    return TRUE;
}

int
capture_reader_next(CaptureReader *reader, guint64 *ret_offset, guint64 *ret_size, GError **error)
{
    guint64 offset, size;

    g_return_val_if_fail(reader->left == 0, -1);
    if (!take_u64(reader, &offset, error) || !take_u64(reader, &size, error))
        return -1;
    if (offset == CAPTURE_END)
        return check_end(reader, size, error) ? 0 : -1;
    if (!check_run(reader, offset, size, error))
        return -1;
    reader->runs++;
    reader->after = offset + size;
    reader->left = size;
    *ret_offset = offset;
    *ret_size = size;
    return 1;
}

gboolean
capture_reader_read(CaptureReader *reader, void *to, gsize size, GError **error)
{
    g_return_val_if_fail(size <= reader->left, FALSE);
    reader->left -= size;
    return take(reader, to, size, error);
}
