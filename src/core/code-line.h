/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* code-line: what an execution reports, as lines of JSON (StreamCode in dbus/org.cloche1.xml). */
#pragma once

#include <glib.h>

#include "execution.h"
#include "wire.h"

/* Each returns a new string, without the end of the line. */
char *code_line_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier);
/* NULL: the message is none that a reader gets. */
char *code_line_message(const RunnerMessage *message);
/* Of the execution, or why there is none. */
char *code_line_end(const GuestExecution *execution, const GError *error);
