/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * show: shows an execution while it runs, like a notebook.
 *
 * Standard output gets the output and the results of the code in their order. Standard error gets
 * the code's error output, its traceback, and a line about each picture that is not shown.
 */
#pragma once

#include "event.h"
#include "gallery.h"
#include "network-hint.h"

typedef struct {
    Gallery *gallery;
    NetworkHint *hint;  /* gets the error output; may be NULL */
    char *status;       /* of the end event; NULL: it has not arrived */
    GError *lost;       /* why the execution failed, if not because of its code */
    gboolean is_dialog; /* also show output that was written between two executions */
    gint has_begun;     /* an event has arrived, so the code is executed; atomic */
    gboolean has_error;
    gboolean tells_limit;    /* the error is that the timeout expired */
    gboolean is_inside_line; /* the output does not end with a line break */
} Show;

void show_clear(Show *show);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Show, show_clear)

/* A TransferWork (transfer.h) with a Show as data: shows the events on the stream until the end of
 * the execution. */
gboolean show_follow(Stream *stream, gpointer show, GError **error);
