/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capture: the form of the file that machine_capture_async() writes.
 *
 *   16 bytes   "cloche-capture-1"
 *   u64        size of the device state, at most CAPTURE_DEVICES_MAX
 *   bytes      the device state, as QEMU's xen-save-devices-state writes it
 *   runs       u64 offset in RAM, u64 size, that many bytes of RAM
 *   end        u64 with all bits set, u64 number of runs
 *
 * Numbers are little-endian. The offset and the size of a run are multiples of CAPTURE_PAGE, the
 * size is not zero, and runs follow each other in the order of their offsets without overlapping.
 * What is in no run is as in the RAM file that the machine was restored from. cloche-vm writes the
 * file and interprets none of its bytes; compose.h reads it, and trusts none of it.
 */
#pragma once

#include <glib.h>

#define CAPTURE_MAGIC "cloche-capture-1"
#define CAPTURE_MAGIC_SIZE 16u
#define CAPTURE_PAGE 4096u
#define CAPTURE_DEVICES_MAX (16u * 1024 * 1024)
#define CAPTURE_END G_MAXUINT64

/* --- writing --- */

typedef struct CaptureWriter CaptureWriter;

/* Reads `size` bytes of RAM at `offset`. */
typedef gboolean (*CaptureRead)(guint64 offset, void *to, gsize size, gpointer data,
                                GError **error);

/* Writes to `fd`, which is borrowed, through a buffer of fixed size whose pages are present. */
CaptureWriter *capture_writer_new(int fd);
void capture_writer_free(CaptureWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaptureWriter, capture_writer_free)

/* Writes `size` bytes without a meaning, which the capture replaces: so there is room for it, and
 * its pages are in memory. */
gboolean capture_writer_rehearse(CaptureWriter *writer, guint64 size, GError **error);
/* Begins at the start of the file, and over what was written there before. */
gboolean capture_writer_begin(CaptureWriter *writer, const void *devices, gsize devices_size,
                              GError **error);
/* Adds a run, whose bytes `read` reads into the buffer, piece by piece. */
gboolean capture_writer_add(CaptureWriter *writer, guint64 offset, guint64 size, CaptureRead read,
                            gpointer data, GError **error);
/* The file ends here. */
gboolean capture_writer_end(CaptureWriter *writer, GError **error);

/* --- reading --- */

typedef struct CaptureReader CaptureReader;

/* Reads the start of the file `fd`, which is borrowed, from its beginning. All functions below fail
 * if the file does not have the form above, or has runs beyond `ram_size`. */
CaptureReader *capture_reader_new(int fd, guint64 ram_size, GError **error);
void capture_reader_free(CaptureReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaptureReader, capture_reader_free)

/* The device state; it lives as long as the reader. */
const guint8 *capture_reader_get_devices(const CaptureReader *reader, gsize *ret_size);
/* The next run, after all bytes of the previous one were read. Returns 1, 0 after the last one, or
 * -1 with an error. */
int capture_reader_next(CaptureReader *reader, guint64 *ret_offset, guint64 *ret_size,
                        GError **error);
/* Reads the next `size` bytes of the run, which has that many left. */
gboolean capture_reader_read(CaptureReader *reader, void *to, gsize size, GError **error);
