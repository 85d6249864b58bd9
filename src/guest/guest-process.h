/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-process: a process in the guest whose channels are connected to descriptors of callers. */
#pragma once

#include "stream.h"

typedef struct GuestProcess GuestProcess;

typedef enum {
    GUEST_PROCESS_ORDINARY, /* as on a pipe: it gets the end of its input, and SIGPIPE */
    GUEST_PROCESS_KEPT,     /* runs without descriptors; unread output is kept (outlet.h) */
    GUEST_PROCESS_COMPLETE, /* its output is a complete stream (complete-stream.h) */
} GuestProcessKind;

typedef struct {
    /* The process runs; or NULL. */
    void (*started)(GuestProcess *process, gpointer data);
    /* Once: how it ended (`how`), or why it did not start or was lost (`error`). */
    void (*ended)(GuestProcess *process, const GuestExit *how, const GError *error, gpointer data);
    /* Once, after `ended`: its output was read, or has no reader any more; or NULL. Only in this
     * event may the receiver call guest_process_free(). */
    void (*over)(GuestProcess *process, gpointer data);
} GuestProcessEvents;

GuestProcess *guest_process_start(GuestLink *link, const GuestStart *start, GuestProcessKind kind,
                                  const GuestProcessEvents *events, gpointer data, GError **error);
/* Attaches to a process of the kind GUEST_PROCESS_KEPT. */
GuestProcess *guest_process_attach(GuestLink *link, const char *tag, gboolean is_terminal,
                                   const GuestProcessEvents *events, gpointer data, GError **error);
/* Kills a process that is not of the kind GUEST_PROCESS_KEPT. NULL is fine. */
void guest_process_free(GuestProcess *process);

/* Each takes a non-blocking descriptor, which replaces the previous one. */
void guest_process_connect_input(GuestProcess *process, int fd);
void guest_process_connect_output(GuestProcess *process, WireChannel channel, int fd);

/* The process id in the guest; 0 before it is started. */
guint32 guest_process_pid(const GuestProcess *process);
/* Bytes of input that were sent to it. */
guint64 guest_process_input_size(const GuestProcess *process);
/* The last bytes that a GUEST_PROCESS_COMPLETE wrote to its standard error: a new string. */
char *guest_process_dup_error_text(const GuestProcess *process);
/* Unread output was discarded. */
gboolean guest_process_has_lost_output(const GuestProcess *process);
/* The errno with which reading its input failed; 0: it did not fail. */
int guest_process_input_error(const GuestProcess *process);

/* Ends its input after the bytes that the descriptor has now. */
void guest_process_close_input(GuestProcess *process);
void guest_process_signal(GuestProcess *process, int signal);
void guest_process_kill(GuestProcess *process);
void guest_process_resize(GuestProcess *process, guint32 columns, guint32 rows);
