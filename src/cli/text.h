/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text: conversion between values and their text on the command line and in output.
 *
 * All functions are pure. Errors are of G_OPTION_ERROR: the user can correct what was typed.
 */
#pragma once

#include <glib.h>

/* The value of text_to_seconds() for "inf". */
#define TEXT_FOREVER G_MAXUINT64

/* Sets G_OPTION_ERROR_BAD_VALUE, and returns FALSE. */
gboolean text_refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * Seconds from "90", or from numbers with units as systemd.time(7) has them: "90s", "1.5h",
 * "1h30min", "2d"; "inf" or "infinity" is TEXT_FOREVER. At least 1; parts of a second are rounded
 * up.
 */
gboolean text_to_seconds(const char *text, guint64 *ret_seconds, GError **error);

/* Returns a floating a{ss} of texts of the form KEY=VALUE. A repeated key is an error. */
GVariant *text_to_pairs(const char *const *texts, GError **error);

/* Bytes from "500", "10K", "10M", "2G" or "1T", with units of powers of 1000 as text_from_size()
 * has them: at least 1. */
gboolean text_to_size(const char *text, guint64 *ret_bytes, GError **error);

/* A signal from "TERM", "SIGTERM" or "15": 1 to 64. */
gboolean text_to_signal(const char *text, int *ret_number, GError **error);

/* Checks that all texts are UTF-8, because D-Bus carries no other text. The error names the first
 * word that is not. */
gboolean text_check_utf8(const char *const *texts, const char *what, GError **error);

/* "45s", "4m 10s", "2h 5m", "3d 4h". */
char *text_from_seconds(guint64 seconds);

/* Formats seconds for text_to_seconds(), in the largest unit of which they are a multiple: "90s",
 * "36h". */
char *text_to_duration(guint64 seconds);

/* "812 bytes", "23 KB", "1.4 MB". */
char *text_from_size(guint64 bytes);

/*
 * Escapes untrusted text for a terminal: control characters and those that change the direction of
 * writing become \x1b or \u202e, so they can neither control the terminal nor deceive the reader.
 */
char *text_escape(const char *text);

/* The same, but line breaks are kept, and each further line is indented, so that a name in the text
 * cannot forge a message of its own. */
char *text_escape_lines(const char *text);

/* The same, but line breaks, tabs, colours and styles are kept. */
char *text_escape_styled(const char *text);

/* Returns the width of the text in columns of a terminal. */
gsize text_width(const char *text);
