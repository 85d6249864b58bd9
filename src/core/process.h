/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process: programs that somebody started in a sandbox, and may wait for.
 *
 * One that is kept belongs to its sandbox; any other to the caller that started it, with whom it
 * goes. Each is a process of its owner's quota until nothing of it is on its way any more.
 */
#pragma once

#include "core.h"
#include "guest-process.h"

/* Of a sandbox: those that have ended and are still known. */
#define PROCESSES_ENDED_MAX 256
/* Bytes of a tag. */
#define PROCESS_TAG_MAX 128

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
    gboolean is_charged, is_removed;
    GTask *starting; /* NULL: it runs */
    GList *waiting;  /* of GTask */
    GCancellable *left;
    gulong left_handler;
};

typedef struct {
    GuestStart start; /* without tag and START_KEEP */
    const char *tag;  /* NULL: none */
    gboolean is_kept;
    int fds[WIRE_STDERR + 1]; /* its own descriptors, -1: none; taken */
} ProcessRequest;

/* `left`: the caller leaves. */
void core_start_process_async(Core *core, Sandbox *sandbox, const ProcessRequest *request,
                              GCancellable *left, GAsyncReadyCallback callback, gpointer data);
/* Good until the main loop runs again. */
Process *core_start_process_finish(GAsyncResult *result, GError **error);
/* CLOCHE_ERROR_NO_SUCH_PROCESS. */
Process *core_find_process(Sandbox *sandbox, guint32 number, GError **error);
/* All of a sandbox, by number; not owned. */
GList *core_processes(const Sandbox *sandbox);

/* Finishes when it has ended. */
void core_wait_process_async(Process *process, GAsyncReadyCallback callback, gpointer data);
typedef struct {
    GuestExit exit;
    gint64 duration_us;
} ProcessEnd;
gboolean core_wait_process_finish(GAsyncResult *result, ProcessEnd *ret_end, GError **error);

/* --- a task whose streams are a caller's descriptors --- */

typedef struct {
    GuestStart start;
    const char *path;                   /* what errors name */
    int input, output;                  /* its own ends, -1: none; taken */
    gboolean output_is_complete_stream; /* of complete_stream_open(), see guest/complete-stream.h */
    gboolean is_awaited; /* finishes when it has ended, not when it began; ends with the caller */
} TransferRequest;

void core_transfer_async(Core *core, Sandbox *sandbox, const TransferRequest *request,
                         GCancellable *left, GAsyncReadyCallback callback, gpointer data);
/* How many bytes of input were taken. */
gboolean core_transfer_finish(GAsyncResult *result, guint64 *ret_size, GError **error);
