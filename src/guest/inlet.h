/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inlet: a descriptor whose bytes go to the guest, as fast as that takes them.
 */
#pragma once

#include <glib.h>

typedef struct Inlet Inlet;

/* What an inlet reads at once, and the most that waits then. */
#define INLET_SIZE (64u * 1024)

typedef struct {
    /* Bytes came; no more are read until inlet_go_on(). */
    void (*read)(Inlet *inlet, const guint8 *bytes, gsize size, gpointer data);
    /* No more come: `error` is 0 or an errno. The descriptor is closed. */
    void (*ended)(Inlet *inlet, int error, gpointer data);
} InletEvents;

/* Takes a non-blocking descriptor. */
Inlet *inlet_new(int fd, const InletEvents *events, gpointer data);
void inlet_go_on(Inlet *inlet);
/* It ends behind what is in the descriptor now. */
void inlet_finish(Inlet *inlet);
/* Closes the descriptor: who writes to it gets SIGPIPE. NULL is fine. */
void inlet_free(Inlet *inlet);

/*
 * A non-blocking descriptor that gives what `fd` gives, and ECONNRESET instead of its end when
 * reading it failed. A thread reads, because nobody knows what a caller's descriptor is: it may
 * block, and its flags are shared with the caller. Takes `fd`.
 */
int inlet_from_stranger(int fd, GError **error);
