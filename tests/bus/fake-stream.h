/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-stream: the smallest files of the forms that src/store/compose.c reads: the state of a
 * template that booted, and what was captured of a machine.
 */
#pragma once

#include <glib.h>

/* FALSE: errno says why. */
gboolean fake_stream_write_state(int fd, guint64 ram_size);
/* One page has changed: it begins with this text. */
gboolean fake_stream_write_capture(int fd, const char *text);
