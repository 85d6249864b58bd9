/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-process: a program in the guest whose channels are descriptors of somebody else.
 */
#pragma once

#include "stream.h"

typedef struct GuestProcess GuestProcess;

typedef enum {
    GUEST_PROCESS_ORDINARY, /* descriptors as of a pipe: their ends end it, or get SIGPIPE */
    GUEST_PROCESS_KEPT,     /* goes on without any; what nobody reads is kept (outlet.h) */
    GUEST_PROCESS_WHOLE,    /* its output is a whole thing (whole.h) */
} GuestProcessKind;

typedef struct {
    /* It runs; or NULL. */
    void (*started)(GuestProcess *process, gpointer data);
    /* Once: how it ended; or why it did not start, or was lost. */
    void (*ended)(GuestProcess *process, const GuestExit *how, const GError *error, gpointer data);
    /* Once, behind that: what it wrote was taken, or nobody takes it; or NULL. guest_process_free()
     * may be called in this one only. */
    void (*over)(GuestProcess *process, gpointer data);
} GuestProcessEvents;

/* `tag`: NULL, or of a process that is found by it (START_KEEP). */
GuestProcess *guest_process_start(GuestLink *link, const GuestStart *start, GuestProcessKind kind,
                                  const GuestProcessEvents *events, gpointer data, GError **error);
/* Finds one of GUEST_PROCESS_KEPT again. */
GuestProcess *guest_process_attach(GuestLink *link, const char *tag, gboolean is_terminal,
                                   const GuestProcessEvents *events, gpointer data, GError **error);
/* An ordinary one is killed. NULL is fine. */
void guest_process_free(GuestProcess *process);

/* Each takes a non-blocking descriptor, in place of the one before. */
void guest_process_connect_input(GuestProcess *process, int fd);
void guest_process_connect_output(GuestProcess *process, WireChannel channel, int fd);

/* Of its first process; 0 before it is started. */
guint32 guest_process_pid(const GuestProcess *process);
/* How many bytes of input it was given. */
guint64 guest_process_input_size(const GuestProcess *process);
/* What a GUEST_PROCESS_WHOLE wrote to its standard error, the end of it: a new string. */
char *guest_process_dup_error_text(const GuestProcess *process);
gboolean guest_process_has_lost_output(const GuestProcess *process);
/* The errno with which reading its input failed, 0: it did not. */
int guest_process_input_error(const GuestProcess *process);

/* Behind what was written. */
void guest_process_close_input(GuestProcess *process);
void guest_process_signal(GuestProcess *process, int signal);
void guest_process_kill(GuestProcess *process);
void guest_process_resize(GuestProcess *process, guint32 columns, guint32 rows);
