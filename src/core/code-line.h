/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* code-line: what an execution reports, as lines of JSON (StreamCode in dbus/org.cloche1.xml). */
#pragma once

#include <glib.h>

#include "execution.h"
#include "wire.h"

/* Each returns a new string, without the end of the line. */
char *code_line_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier);
/* NULL: readers do not get this type of message. */
char *code_line_message(const RunnerMessage *message);
/* The last line: how the execution ended, or the error. */
char *code_line_end(const GuestExecution *execution, const GError *error);
