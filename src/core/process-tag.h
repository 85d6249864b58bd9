/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process-tag: the tag by which a guest's agent knows a kept process.
 *
 * The agent finds the process again by it. It contains everything that the next instance of the
 * service has to know and cannot ask for: number, whether it has a terminal, the caller's tag. A
 * hostile agent may report any tag.
 */
#pragma once

#include <glib.h>

/* Bytes of a caller's tag. */
#define PROCESS_TAG_MAX 128
/* The largest number that a tag may have, so that there are always others after it. */
#define PROCESS_NUMBER_MAX G_MAXINT32

/* A new string. */
char *process_tag_make(guint32 number, gboolean is_terminal, const char *callers_tag);
/* FALSE: it is not the tag of a process. *ret_callers_tag points into `tag`. */
gboolean process_tag_parse(const char *tag, guint32 *ret_number, gboolean *ret_is_terminal,
                           const char **ret_callers_tag);
