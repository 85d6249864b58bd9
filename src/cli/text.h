/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text: words of the command line into values, values into words for people.
 *
 * All of it is pure. Errors are of G_OPTION_ERROR: whoever typed the words can mend them.
 */
#pragma once

#include <glib.h>

/* What text_to_seconds() gives for "inf". */
#define TEXT_FOREVER G_MAXUINT64

/*
 * Seconds from "90", or from numbers with units as systemd.time(7) has them: "90s", "1.5h",
 * "1h30min", "2d"; "inf" or "infinity" is TEXT_FOREVER. At least 1; parts of a second are rounded
 * up.
 */
gboolean text_to_seconds(const char *text, guint64 *ret_seconds, GError **error);

/* A floating a{ss} from words of the form KEY=VALUE. A key that comes twice is an error. */
GVariant *text_to_pairs(const char *const *words, GError **error);

/* A signal from "TERM", "SIGTERM" or "15": 1 to 64. */
gboolean text_to_signal(const char *text, int *ret_number, GError **error);

/* D-Bus carries UTF-8 only: an error that names the first of the words that is something else. */
gboolean text_check_utf8(const char *const *words, const char *what, GError **error);

/* "45s", "4m 10s", "2h 5m", "3d 4h". */
char *text_from_seconds(guint64 seconds);

/* The same as text_to_seconds() reads it, in the largest unit that it is whole in: "90s", "36h". */
char *text_to_duration(guint64 seconds);

/* "812 bytes", "23 KB", "1.4 MB". */
char *text_from_size(guint64 bytes);

/*
 * Text that somebody else wrote, made fit for a terminal: control characters and those that change
 * the order of writing come out as \x1b or \u202e, so that they can neither command the terminal
 * nor deceive the reader.
 */
char *text_escape(const char *text);

/* The same, but a line break stays one. */
char *text_escape_lines(const char *text);

/* The same, but tabs, colours and styles stay, too. */
char *text_escape_styled(const char *text);

/* How many columns of a terminal the text takes. */
gsize text_width(const char *text);
