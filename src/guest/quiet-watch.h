/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * quiet-watch: notices a guest that does not answer.
 *
 * Silence counts only while an answer is due and the machine is not stopped. A guest that has been
 * silent for `ask_ms` is asked for a sign of life; a guest that was asked and has been silent for
 * `give_up_ms` is given up.
 */
#pragma once

#include <glib.h>

typedef struct {
    void (*ask)(gpointer data);
    /* Called once; may free the watch. */
    void (*give_up)(gpointer data);
} QuietWatchEvents;

typedef struct {
    guint ask_ms, give_up_ms;
    guint timer;      /* 0: no answer is due */
    gint64 heard_us;  /* CLOCK_BOOTTIME of the last bytes */
    gboolean asked;   /* since then */
    gboolean stopped; /* the machine is */
    const QuietWatchEvents *events;
    gpointer data;
} QuietWatch;

void quiet_watch_init(QuietWatch *watch, guint ask_ms, guint give_up_ms,
                      const QuietWatchEvents *events, gpointer data);
/* An answer is due from now on, or no more. */
void quiet_watch_set_due(QuietWatch *watch, gboolean is_due);
/* The machine is stopped, or continues: the silence starts again. */
void quiet_watch_set_stopped(QuietWatch *watch, gboolean is_stopped);
/* Bytes have arrived. */
void quiet_watch_heard(QuietWatch *watch);
