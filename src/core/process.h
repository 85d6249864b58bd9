/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: programs that callers started in a sandbox, and may wait for.
 *
 * A kept process belongs to its sandbox; any other ends when the caller that started it leaves.
 * Each counts as a process of the sandbox's owner until its program has ended and its output was
 * taken. Then it remains as a record.
 */
#pragma once

#include "guest-process.h"
#include "operation.h"
#include "process-ends.h"
#include "records.h"

/* Processes of a sandbox that have ended and are still known. */
#define PROCESSES_ENDED_MAX 256
/* Bytes of their arguments and tags, see process_size(). */
#define PROCESSES_ENDED_SIZE_MAX (1024u * 1024)
#define PROCESS_ARGUMENT_WEIGHT 32u
/* Columns or rows of a terminal. */
#define PROCESS_TERMINAL_SIDE_MAX 4096
#define PROCESS_SIGNAL_MAX 64

struct Process {
    Sandbox *sandbox;
    guint32 number; /* in its sandbox */
    char **argv, *tag;
    gboolean is_kept, is_terminal;
    gint64 started_us; /* time of day */
    gint64 begun_us;   /* CLOCK_BOOTTIME */
    guint32 pid;
    gboolean has_ended;
    GuestExit exit; /* once it has */
    gint64 duration_us;
    GuestProcess *guest;
    Operation *operation;         /* NULL: the program has ended, and its output was taken */
    GTask *starting;              /* NULL: it runs */
    struct ProcessStart *started; /* NULL: the caller has the process, or it is starting */
    GList *waiting;               /* of GTask */
    GCancellable *caller;         /* with which it is removed; NULL: it is kept */
    gulong caller_handler;
};

typedef struct {
    GuestStart start; /* without tag, START_KEEP, START_TERMINAL and the size */
    const char *tag;  /* NULL: none */
    gboolean is_kept;
    gboolean is_detached; /* nobody reads its output; only with is_kept */
} ProcessRequest;

/* Bytes of these arguments and of the tag (or NULL), with PROCESS_ARGUMENT_WEIGHT for each. They
 * are charged to the sandbox's owner until the program has ended. */
gsize process_size(const char *const *argv, const char *tag);

/* Ends with its caller, unless it is kept. CLOCHE_ERROR_INVALID_ARGUMENT when the tag or the
 * combination of options is wrong. */
void core_start_process_async(Sandbox *sandbox, const ProcessRequest *request, GCancellable *caller,
                              GAsyncReadyCallback callback, gpointer data);
/* The same with a terminal of this size. `argv` NULL: the user's login shell. */
void core_open_terminal_async(Sandbox *sandbox, const ProcessRequest *request, guint32 columns,
                              guint32 rows, GCancellable *caller, GAsyncReadyCallback callback,
                              gpointer data);
/* Returns the process, which is valid until the main loop runs again, and moves the caller's ends
 * to `ret_ends`. */
Process *core_start_process_finish(GAsyncResult *result, ProcessEnds *ret_ends, GError **error);

/* CLOCHE_ERROR_NO_SUCH_PROCESS. */
Process *core_find_process(Sandbox *sandbox, guint32 number, GError **error);
/* All processes of a sandbox, by number; not owned. */
GList *core_processes(const Sandbox *sandbox);

/* Connects new descriptors to a kept process, in place of those before. For a terminal, input and
 * output are callers[WIRE_STDIN]. */
gboolean core_attach_process(Process *process, ProcessEnds *ret_ends, GError **error);
gboolean core_signal_process(Process *process, int number, GError **error);
void core_kill_process(Process *process);
/* Closes its standard input, after what was written to it. */
void core_close_process_input(Process *process);
gboolean core_resize_process(Process *process, guint32 columns, guint32 rows, GError **error);
/* Output that nobody read was discarded. */
gboolean core_process_has_lost_output(const Process *process);

typedef struct {
    GuestExit exit;
    gint64 duration_us;
} ProcessEnd;

/* Finishes when the process has ended. */
void core_wait_process_async(Process *process, GAsyncReadyCallback callback, gpointer data);
gboolean core_wait_process_finish(GAsyncResult *result, ProcessEnd *ret_end, GError **error);

/* Continues a kept process of the previous instance of the service, if it is one. */
void process_adopt(Sandbox *sandbox, const GuestKept *kept);
/* Frees all processes of a sandbox that ends. */
void processes_clear(Sandbox *sandbox);
