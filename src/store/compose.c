/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * compose: makes the state of a snapshot of what was captured of a machine.
 *
 * What is known here of QEMU's migration stream is known nowhere else: its header, and the sections
 * of RAM (docs/devel/migration and migration/ram.c of QEMU). Numbers are big-endian. Sections of
 * RAM consist of records, each of which begins with the offset of a page and flags in its lowest
 * bits.
 */
#include "compose.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "error.h"
#include "util.h"

#define RAM_BLOCK "cloche.ram" /* id of the memory object in the definition of machines */

/* Sections. */
#define STREAM_MAGIC "QEVM\0\0\0\003"
#define STREAM_MAGIC_SIZE 8u
#define SECTION_END_OF_STREAM 0x00
#define SECTION_START 0x01
#define SECTION_PART 0x02
#define SECTION_END 0x03
#define SECTION_FULL 0x04
#define SECTION_SUBSECTION 0x05
#define SECTION_CONFIGURATION 0x07
#define SECTION_COMMAND 0x08
#define SECTION_FOOTER 0x7e

/* Flags of a record. */
#define RECORD_ZERO 0x02u
#define RECORD_BLOCKS 0x04u
#define RECORD_PAGE 0x08u
#define RECORD_END 0x10u
#define RECORD_SAME_BLOCK 0x20u
#define RECORD_FLAGS (CAPTURE_PAGE - 1)

#define CHUNK_SIZE (1024 * 1024) /* a multiple of the page */

/* --- the template's state --- */

typedef struct {
    const guint8 *data;
    gsize size, at;
    gboolean has_failed; /* it ended too early, or is not of the form that is known */
} Stream;

static const guint8 *
skip(Stream *stream, gsize size)
{
    const guint8 *data = stream->data + stream->at;

    if (stream->has_failed || size > stream->size - stream->at) {
        stream->has_failed = TRUE;
        return NULL;
    }
    stream->at += size;
    return data;
}

static guint64
take_number(Stream *stream, guint bytes)
{
    const guint8 *data = skip(stream, bytes);
    guint64 number = 0;

    for (guint i = 0; data && i < bytes; i++)
        number = number << 8 | data[i];
    return number;
}

static gboolean
take_text_is(Stream *stream, const char *text)
{
    gsize length = take_number(stream, 1);
    const guint8 *data = skip(stream, length);

    return data && length == strlen(text) && memcmp(data, text, length) == 0;
}

/* The parts of the template's state that a snapshot's state has as well. */
typedef struct {
    guint8 *data;
    gsize size;
    gsize end_begin; /* of the section that ends RAM; what is before it is the head */
    gsize end_end;
    guint32 section; /* the number of RAM's sections */
    gboolean has_footers;
    guint64 ram_size; /* of RAM_BLOCK; 0: it is not in the list of blocks */
} Base;

static void
base_clear(Base *base)
{
    g_free(base->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Base, base_clear)

/* What QEMU writes of the capabilities that were on: without this one, the list of blocks has no
 * addresses. */
static void
skip_capabilities(Stream *stream)
{
    gboolean ignores_shared = FALSE;
    guint64 count;

    if (!take_text_is(stream, "configuration/capabilities"))
        stream->has_failed = TRUE;
    take_number(stream, 4); /* version */
    count = take_number(stream, 4);
    for (guint64 i = 0; i < count && !stream->has_failed; i++)
        ignores_shared = take_text_is(stream, "x-ignore-shared") || ignores_shared;
    if (!ignores_shared)
        stream->has_failed = TRUE;
}

static guint8
peek(const Stream *stream)
{
    return stream->has_failed || stream->at == stream->size ? SECTION_END_OF_STREAM
                                                            : stream->data[stream->at];
}

static void
skip_start(Stream *stream)
{
    const guint8 *magic = skip(stream, STREAM_MAGIC_SIZE);

    if (!magic || memcmp(magic, STREAM_MAGIC, STREAM_MAGIC_SIZE) != 0 ||
        take_number(stream, 1) != SECTION_CONFIGURATION)
        stream->has_failed = TRUE;
    skip(stream, take_number(stream, 4)); /* type of the machine */
    if (take_number(stream, 1) != SECTION_SUBSECTION)
        stream->has_failed = TRUE;
    skip_capabilities(stream);
}

/* The blocks of memory, whose sizes add up to `total`. */
static void
read_blocks(Base *base, Stream *stream, guint64 total)
{
    while (total > 0 && !stream->has_failed) {
        gboolean is_ram = take_text_is(stream, RAM_BLOCK);
        guint64 size = take_number(stream, 8);

        take_number(stream, 8); /* its address */
        if (size == 0 || size > total)
            stream->has_failed = TRUE;
        if (is_ram)
            base->ram_size = size;
        total -= size;
    }
}

static void
read_records(Base *base, Stream *stream)
{
    while (!stream->has_failed) {
        guint64 head = take_number(stream, 8), flags = head & RECORD_FLAGS;

        if (flags == RECORD_END)
            return;
        if (flags == RECORD_BLOCKS) {
            read_blocks(base, stream, head - flags);
            continue;
        }
        if ((flags & RECORD_SAME_BLOCK) == 0)
            skip(stream, take_number(stream, 1));
        flags &= ~(guint64)RECORD_SAME_BLOCK;
        if (flags == RECORD_PAGE)
            skip(stream, CAPTURE_PAGE);
        else if (flags == RECORD_ZERO)
            skip(stream, 1);
        else
            stream->has_failed = TRUE;
    }
}

static void
skip_footer(Base *base, Stream *stream)
{
    base->has_footers = peek(stream) == SECTION_FOOTER;
    if (base->has_footers &&
        (take_number(stream, 1) != SECTION_FOOTER || take_number(stream, 4) != base->section))
        stream->has_failed = TRUE;
}

static void
read_ram_start(Base *base, Stream *stream)
{
    if (take_number(stream, 1) != SECTION_START)
        stream->has_failed = TRUE;
    base->section = (guint32)take_number(stream, 4);
    if (!take_text_is(stream, "ram"))
        stream->has_failed = TRUE;
    take_number(stream, 8); /* instance and version */
    read_records(base, stream);
    skip_footer(base, stream);
}

/* QEMU 10 says before the end of RAM that devices follow. */
static void
skip_commands(Stream *stream)
{
    while (peek(stream) == SECTION_COMMAND) {
        skip(stream, 1);
        take_number(stream, 2); /* which one */
        skip(stream, take_number(stream, 2));
    }
}

/* The parts of RAM and its end, with the commands before it. */
static void
read_ram(Base *base, Stream *stream)
{
    guint64 type;

    read_ram_start(base, stream);
    do {
        base->end_begin = stream->at;
        skip_commands(stream);
        type = take_number(stream, 1);
        if ((type != SECTION_PART && type != SECTION_END) ||
            take_number(stream, 4) != base->section)
            stream->has_failed = TRUE;
        read_records(base, stream);
        skip_footer(base, stream);
    } while (type == SECTION_PART && !stream->has_failed);
    base->end_end = stream->at;
}

static gboolean
read_file(int fd, guint64 size, guint8 *to, GError **error)
{
    for (guint64 done = 0; done < size;) {
        gssize n = pread(fd, to + done, size - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return util_set_errno(error, n < 0 ? errno : EIO, "cannot read the template's state");
        done += (guint64)n;
    }
    return TRUE;
}

static gboolean
set_unknown(GError **error, const char *what)
{
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_FAILED, "cannot make a state: %s", what);
    return FALSE;
}

static gboolean
base_read(Base *base, int fd, guint64 ram_size, GError **error)
{
    Stream stream = {0};
    struct stat st;

    if (fstat(fd, &st) < 0)
        return util_set_errno(error, errno, "cannot read the template's state");
    if (st.st_size <= 0 || st.st_size > (off_t)COMPOSE_STATE_MAX)
        return set_unknown(error, "the template's state is empty or too large");
    base->size = (gsize)st.st_size;
    base->data = g_malloc(base->size);
    if (!read_file(fd, base->size, base->data, error))
        return FALSE;
    stream.data = base->data;
    stream.size = base->size;
    skip_start(&stream);
    read_ram(base, &stream);
    if (stream.has_failed || peek(&stream) != SECTION_FULL)
        return set_unknown(error, "the template's state does not have the form that is known");
    if (base->ram_size != ram_size)
        return set_unknown(error, "the template's RAM file does not have the size of its state's");
    return TRUE;
}

/* --- writing --- */

typedef struct {
    int fd;
    guint64 position;
    gsize length;
    guint8 buffer[CHUNK_SIZE];
} Output;

static gboolean
flush(Output *output, GError **error)
{
    const guint8 *from = output->buffer;

    while (output->length > 0) {
        gssize n = pwrite(output->fd, from, output->length, (off_t)output->position);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return util_set_errno(error, n < 0 ? errno : EIO, "cannot write the state");
        from += n;
        output->length -= (gsize)n;
        output->position += (guint64)n;
    }
    return TRUE;
}

static gboolean
put(Output *output, const void *data, gsize size, GError **error)
{
    const guint8 *from = data;

    while (size > 0) {
        gsize part = MIN(size, sizeof output->buffer - output->length);

        memcpy(output->buffer + output->length, from, part);
        output->length += part;
        from += part;
        size -= part;
        if (output->length == sizeof output->buffer && !flush(output, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
put_number(Output *output, guint64 number, guint bytes, GError **error)
{
    const guint64 big = GUINT64_TO_BE(number);

    return put(output, (const guint8 *)&big + sizeof big - bytes, bytes, error);
}

/* --- the pages --- */

typedef struct {
    Output output;
    guint8 pages[CHUNK_SIZE], of_base[CHUNK_SIZE];
    gboolean has_named; /* the name of the block was written */
} Composition;

static gboolean
is_zero(const guint8 *page)
{
    return page[0] == 0 && memcmp(page, page + 1, CAPTURE_PAGE - 1) == 0;
}

static gboolean
put_page(Composition *c, guint64 offset, const guint8 *page, GError **error)
{
    gboolean zero = is_zero(page);
    guint64 head = offset | (zero ? RECORD_ZERO : RECORD_PAGE);

    if (!put_number(&c->output, c->has_named ? head | RECORD_SAME_BLOCK : head, 8, error))
        return FALSE;
    if (!c->has_named && (!put_number(&c->output, strlen(RAM_BLOCK), 1, error) ||
                          !put(&c->output, RAM_BLOCK, strlen(RAM_BLOCK), error)))
        return FALSE;
    c->has_named = TRUE;
    return zero ? put_number(&c->output, 0, 1, error) : put(&c->output, page, CAPTURE_PAGE, error);
}

/* A hole of the file is read without a page being allocated for it. */
static gboolean
read_base(int ram, guint64 offset, guint8 *to, gsize size, GError **error)
{
    while (size > 0) {
        gssize n = pread(ram, to, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return util_set_errno(error, n < 0 ? errno : EIO, "cannot read the template's RAM");
        to += n;
        offset += (guint64)n;
        size -= (gsize)n;
    }
    return TRUE;
}

static gboolean
put_run(Composition *c, int ram, CaptureReader *reader, guint64 offset, guint64 size,
        GError **error)
{
    while (size > 0) {
        gsize part = MIN(size, CHUNK_SIZE);

        if (!capture_reader_read(reader, c->pages, part, error) ||
            !read_base(ram, offset, c->of_base, part, error))
            return FALSE;
        for (gsize at = 0; at < part; at += CAPTURE_PAGE)
            if (memcmp(c->pages + at, c->of_base + at, CAPTURE_PAGE) != 0 &&
                !put_page(c, offset + at, c->pages + at, error))
                return FALSE;
        offset += part;
        size -= part;
    }
    return TRUE;
}

static gboolean
put_runs(Composition *c, int ram, CaptureReader *reader, GError **error)
{
    guint64 offset, size;
    int found;

    while ((found = capture_reader_next(reader, &offset, &size, error)) > 0)
        if (!put_run(c, ram, reader, offset, size, error))
            return FALSE;
    return found == 0;
}

static gboolean
put_part(Composition *c, const Base *base, int ram, CaptureReader *reader, GError **error)
{
    return put_number(&c->output, SECTION_PART, 1, error) &&
           put_number(&c->output, base->section, 4, error) && put_runs(c, ram, reader, error) &&
           put_number(&c->output, RECORD_END, 8, error) &&
           (!base->has_footers || (put_number(&c->output, SECTION_FOOTER, 1, error) &&
                                   put_number(&c->output, base->section, 4, error)));
}

/* --- the devices --- */

/* QEMU reads the rest when it loads the state. */
static gboolean
put_devices(Composition *c, const CaptureReader *reader, GError **error)
{
    gsize size;
    const guint8 *devices = capture_reader_get_devices(reader, &size);

    if (size < STREAM_MAGIC_SIZE + 2 || memcmp(devices, STREAM_MAGIC, STREAM_MAGIC_SIZE) != 0 ||
        devices[STREAM_MAGIC_SIZE] != SECTION_FULL || devices[size - 1] != SECTION_END_OF_STREAM)
        return set_unknown(error, "the state of the devices does not have the form that is known");
    return put(&c->output, devices + STREAM_MAGIC_SIZE, size - STREAM_MAGIC_SIZE, error);
}

gboolean
compose_state(int base_state, int base_ram, int capture, int out, GError **error)
{
    g_auto(Base) base = {0};
    g_autoptr(CaptureReader) reader = NULL;
    g_autofree Composition *c = g_new0(Composition, 1);
    struct stat st;

    if (fstat(base_ram, &st) < 0)
        return util_set_errno(error, errno, "cannot read the template's RAM");
    if (!base_read(&base, base_state, (guint64)st.st_size, error))
        return FALSE;
    reader = capture_reader_new(capture, base.ram_size, error);
    c->output.fd = out;
    return reader && put(&c->output, base.data, base.end_begin, error) &&
           put_part(c, &base, base_ram, reader, error) &&
           put(&c->output, base.data + base.end_begin, base.end_end - base.end_begin, error) &&
           put_devices(c, reader, error) && flush(&c->output, error);
}
