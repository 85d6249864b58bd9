/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* streams: states of templates and captures, as small as they can be. */
#pragma once

#include <glib.h>

#define STREAM_PAGE 4096u
#define STREAM_PAGES 8u /* of cloche.ram */
#define STREAM_RAM_SIZE (STREAM_PAGES * STREAM_PAGE)
#define STREAM_SECTION 3u /* the number of RAM's sections */

/* Big-endian numbers, and texts with a byte for their length. */
void stream_put(GByteArray *to, guint64 number, guint bytes);
void stream_put_text(GByteArray *to, const char *text);
void stream_put_le64(GByteArray *to, guint64 number);

/* What is before the section that ends RAM, that section, and all sections behind it, which are
 * those of devices. */
GByteArray *stream_head(void);
GByteArray *stream_end(void);
GByteArray *stream_devices(const char *content);
/* The state of a template. */
GByteArray *stream_state(void);

/* The beginning of a capture, with devices that have a header of their own. */
GByteArray *stream_capture(const char *devices);
/* Adds a run of pages, each of which consists of one byte. */
void stream_add_run(GByteArray *capture, guint64 page, const char *pages);
void stream_end_capture(GByteArray *capture, guint64 runs);

/* A file in memory with this content. */
int stream_file(const void *data, gsize size);
/* The content of a file. */
GByteArray *stream_read(int fd);
/* The RAM file of the template: each page consists of the byte of its place in `pages`; '0' is
 * zero. */
int stream_ram(const char *pages);
