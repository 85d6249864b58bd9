/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-process: one inlet, two outlets, one stream.
 *
 * The guest gets credit when the outlet has passed the bytes on, so no buffer holds more than a
 * window.
 */
#include "guest-process.h"

#include <unistd.h>

#include "inlet.h"
#include "outlet.h"

#define END_OF_INPUT "\004" /* Ctrl-D, which a terminal takes for the end of its input */

typedef struct {
    GuestProcess *process;
    WireChannel channel;
    Outlet *outlet;
} ProcessOutput;

struct GuestProcess {
    GuestStream *stream; /* NULL: the process has ended */
    GuestProcessKind kind;
    gboolean is_terminal, end_is_reported, has_ended, is_over;
    guint32 pid;
    Inlet *inlet;
    gboolean closes_input, input_ended;
    guint64 input_size;
    int input_error;
    ProcessOutput outputs[2];
    const GuestProcessEvents *events;
    gpointer data;
};

static ProcessOutput *
find_output(GuestProcess *process, WireChannel channel)
{
    return &process->outputs[channel == WIRE_STDERR];
}

/* --- output --- */

static void
on_passed(Outlet *outlet, gsize size, gpointer data)
{
    ProcessOutput *output = data;

    if (output->process->stream)
        guest_stream_credit(output->process->stream, output->channel, size);
}

static void
on_left(Outlet *outlet, gpointer data)
{
    ProcessOutput *output = data;
    GuestProcess *process = output->process;

    if (process->stream && process->kind != GUEST_PROCESS_KEPT)
        guest_stream_stop_reading(process->stream, output->channel);
}

/* The process is over when it has ended and both outlets are over. */
static void
report_over(GuestProcess *process)
{
    if (!process->has_ended || process->is_over || !outlet_is_over(process->outputs[0].outlet) ||
        !outlet_is_over(process->outputs[1].outlet))
        return;
    process->is_over = TRUE;
    if (process->events->over)
        process->events->over(process, process->data);
}

static gboolean
on_over_idle(gpointer data)
{
    report_over(data);
    return G_SOURCE_REMOVE;
}

/* The receiver of `over` may free the outlet, so the event must not come from inside it. */
static void
on_over(Outlet *outlet, gpointer data)
{
    ProcessOutput *output = data;

    g_idle_add_full(G_PRIORITY_DEFAULT, on_over_idle, output->process, NULL);
}

static const OutletEvents outlet_events = {on_passed, on_left, on_over};

/* --- input --- */

static void
on_read(Inlet *inlet, const guint8 *bytes, gsize size, gpointer data)
{
    GuestProcess *process = data;

    process->input_size += size;
    guest_stream_write(process->stream, WIRE_STDIN, bytes, size);
    if (guest_stream_queued(process->stream, WIRE_STDIN) == 0)
        inlet_go_on(inlet);
}

static void
end_input(GuestProcess *process)
{
    process->input_ended = TRUE;
    guest_stream_write_end(process->stream, WIRE_STDIN);
}

/* A process that needs complete input must not take the end of partial input for the real end. */
static void
on_input_ended(Inlet *inlet, int error, gpointer data)
{
    GuestProcess *process = data;

    process->input_error = error;
    if (error != 0 && process->kind == GUEST_PROCESS_COMPLETE)
        guest_stream_kill(process->stream);
    else if (!process->is_terminal &&
             (process->closes_input || process->kind != GUEST_PROCESS_KEPT))
        end_input(process);
}

static const InletEvents inlet_events = {on_read, on_input_ended};

static void
stop_input(GuestProcess *process)
{
    g_clear_pointer(&process->inlet, inlet_free);
}

/* --- the stream --- */

static void
on_started(GuestStream *stream, guint32 pid, gpointer data)
{
    GuestProcess *process = data;

    process->pid = pid;
    if (process->events->started)
        process->events->started(process, process->data);
}

static void
on_received(GuestStream *stream, WireChannel channel, const guint8 *bytes, gsize size,
            gpointer data)
{
    outlet_add(find_output(data, channel)->outlet, bytes, size);
}

static void
on_written(GuestStream *stream, WireChannel channel, gpointer data)
{
    GuestProcess *process = data;

    if (process->inlet)
        inlet_go_on(process->inlet);
}

static void
on_closed(GuestStream *stream, WireChannel channel, gpointer data)
{
    GuestProcess *process = data;

    if (channel == WIRE_STDIN)
        stop_input(process);
    else if (process->kind != GUEST_PROCESS_COMPLETE)
        outlet_end(find_output(process, channel)->outlet, /* all_came= */ TRUE);
}

/* Once: REAPED reports the end before EXITED does. */
static void
report_end(GuestProcess *process, const GuestExit *how, const GError *error)
{
    if (process->end_is_reported)
        return;
    process->end_is_reported = TRUE;
    process->events->ended(process, how, error, process->data);
}

static void
on_ended(GuestStream *stream, const GuestExit *how, const GError *error, gpointer data)
{
    GuestProcess *process = data;
    gboolean all_came = how && how->how == WIRE_EXIT_STATUS && how->status == 0;

    g_clear_pointer(&process->stream, guest_stream_free);
    stop_input(process);
    process->has_ended = TRUE;
    g_idle_add_full(G_PRIORITY_DEFAULT, on_over_idle, process, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(process->outputs); i++)
        outlet_end(process->outputs[i].outlet, all_came);
    report_end(process, how, error);
}

static void
on_reaped(GuestStream *stream, const GuestExit *how, gpointer data)
{
    report_end(data, how, NULL);
}

static const GuestStreamEvents stream_events = {
    on_started, on_received, on_ended, on_written, on_closed, on_reaped,
};

/* --- life --- */

static gboolean
keeps_output(GuestProcessKind kind, WireChannel channel)
{
    return kind == GUEST_PROCESS_KEPT || (kind == GUEST_PROCESS_COMPLETE && channel == WIRE_STDERR);
}

static GuestProcess *
process_new(GuestProcessKind kind, const GuestProcessEvents *events, gpointer data)
{
    GuestProcess *process = g_new0(GuestProcess, 1);

    process->kind = kind;
    process->events = events;
    process->data = data;
    for (guint i = 0; i < G_N_ELEMENTS(process->outputs); i++) {
        ProcessOutput *output = &process->outputs[i];

        output->process = process;
        output->channel = i == 0 ? WIRE_STDOUT : WIRE_STDERR;
        output->outlet = outlet_new(keeps_output(kind, output->channel), &outlet_events, output);
    }
    return process;
}

GuestProcess *
guest_process_start(GuestLink *link, const GuestStart *start, GuestProcessKind kind,
                    const GuestProcessEvents *events, gpointer data, GError **error)
{
    GuestProcess *process = process_new(kind, events, data);

    process->is_terminal = (start->flags & START_TERMINAL) != 0;
    process->stream = guest_stream_start(link, start, &stream_events, process, error);
    if (!process->stream)
        g_clear_pointer(&process, guest_process_free);
    return process;
}

GuestProcess *
guest_process_attach(GuestLink *link, const char *tag, gboolean is_terminal,
                     const GuestProcessEvents *events, gpointer data, GError **error)
{
    GuestProcess *process = process_new(GUEST_PROCESS_KEPT, events, data);

    process->is_terminal = is_terminal;
    process->stream = guest_stream_attach(link, tag, is_terminal ? START_TERMINAL : 0,
                                          &stream_events, process, error);
    if (!process->stream)
        g_clear_pointer(&process, guest_process_free);
    return process;
}

void
guest_process_free(GuestProcess *process)
{
    if (!process)
        return;
    while (g_idle_remove_by_data(process))
        ;
    guest_stream_free(process->stream);
    stop_input(process);
    for (guint i = 0; i < G_N_ELEMENTS(process->outputs); i++)
        outlet_free(process->outputs[i].outlet);
    g_free(process);
}

void
guest_process_connect_input(GuestProcess *process, int fd)
{
    stop_input(process);
    if (process->stream && !process->input_ended)
        process->inlet = inlet_new(fd, &inlet_events, process);
    else
        close(fd);
}

void
guest_process_connect_output(GuestProcess *process, WireChannel channel, int fd)
{
    outlet_connect(find_output(process, channel)->outlet, fd,
                   process->kind == GUEST_PROCESS_COMPLETE);
}

guint32
guest_process_pid(const GuestProcess *process)
{
    return process->pid;
}

guint64
guest_process_input_size(const GuestProcess *process)
{
    return process->input_size;
}

char *
guest_process_dup_error_text(const GuestProcess *process)
{
    return outlet_dup_text(process->outputs[1].outlet);
}

gboolean
guest_process_has_lost_output(const GuestProcess *process)
{
    return outlet_has_lost(process->outputs[0].outlet) ||
           outlet_has_lost(process->outputs[1].outlet);
}

int
guest_process_input_error(const GuestProcess *process)
{
    return process->input_error;
}

void
guest_process_close_input(GuestProcess *process)
{
    if (!process->stream || process->input_ended)
        return;
    process->closes_input = TRUE;
    if (process->is_terminal)
        guest_stream_write(process->stream, WIRE_STDIN, END_OF_INPUT, 1);
    else if (process->inlet)
        inlet_finish(process->inlet);
    else
        end_input(process);
}

void
guest_process_signal(GuestProcess *process, int signal)
{
    if (process->stream)
        guest_stream_signal(process->stream, signal);
}

void
guest_process_kill(GuestProcess *process)
{
    if (process->stream)
        guest_stream_kill(process->stream);
}

void
guest_process_resize(GuestProcess *process, guint32 columns, guint32 rows)
{
    if (process->stream)
        guest_stream_resize(process->stream, columns, rows);
}
