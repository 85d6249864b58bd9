/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * show: an execution while it runs, as a notebook would show it where a terminal can.
 *
 * Output and the values of results go to standard output, in that order; standard error takes the
 * code's own, its traceback, and a line about each picture that is not shown.
 */
#pragma once

#include "event.h"
#include "gallery.h"

typedef struct {
    Gallery *gallery;
    char *status;       /* of the end; NULL: it has not come */
    GError *lost;       /* of an end that was no doing of the code, as the error of a call */
    gboolean is_dialog; /* what was written between two executions is shown, too */
    gint has_begun;     /* something has come: it is executed; atomic */
    gboolean has_error;
    gboolean tells_limit;    /* the error is that the time was over */
    gboolean is_inside_line; /* of what was written */
} Show;

void show_clear(Show *show);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Show, show_clear)

/* Shows what comes on the stream until the execution's end. For a thread (transfer.h): it waits for
 * the one and for our own output. */
gboolean show_follow(Stream *stream, gpointer show, GError **error);
