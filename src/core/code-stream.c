/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* code-stream: an execution as lines of JSON while it happens. */
#include "code-stream.h"

#include <glib-unix.h>
#include <string.h>

#include "code-line.h"
#include "complete-stream.h"
#include "error.h"
#include "guest-text.h"
#include "outlet.h"

/* The first bytes of a character whose rest has not arrived. */
typedef struct {
    guint8 bytes[4];
    gsize size;
} Partial;

typedef struct {
    Operation *operation; /* NULL: it was abandoned */
    guint over_source;
    GuestInterpreter *interpreter; /* NULL: nothing more is heard of it */
    gboolean is_executing;
    Outlet *outlet; /* NULL: nobody reads */
    gsize pending;  /* bytes that the outlet keeps */
    Partial partial[WIRE_STDERR + 1];
} CodeStream;

static void
stream_free(CodeStream *stream)
{
    g_clear_handle_id(&stream->over_source, g_source_remove);
    g_clear_pointer(&stream->outlet, outlet_free);
    operation_end(stream->operation);
    g_free(stream);
}

/* --- lines --- */

static void
write_line(CodeStream *stream, char *line)
{
    g_autofree char *text = line;
    gsize size = text ? strlen(text) : 0;

    if (!text || !stream->outlet)
        return;
    text[size] = '\n'; /* in place of its terminator: from here on it is bytes */
    stream->pending += size + 1;
    outlet_add(stream->outlet, (const guint8 *)text, size + 1);
    if (stream->pending > 0 && stream->interpreter)
        guest_interpreter_hold(stream->interpreter, TRUE);
}

static void
on_output(WireChannel channel, const guint8 *bytes, gsize size, gboolean is_earlier, gpointer data)
{
    CodeStream *stream = data;
    Partial *partial = &stream->partial[channel];
    g_autoptr(GByteArray) all = g_byte_array_new();
    gsize complete;

    g_byte_array_append(all, partial->bytes, (guint)partial->size);
    g_byte_array_append(all, bytes, (guint)size);
    complete = guest_text_without_partial((const char *)all->data, all->len);
    partial->size = all->len - complete;
    memcpy(partial->bytes, all->data + complete, partial->size);
    if (complete > 0)
        write_line(stream, code_line_output(channel, all->data, complete, is_earlier));
}

/* Bytes that remain incomplete are not a character. */
static void
flush_partial(CodeStream *stream)
{
    for (WireChannel channel = WIRE_STDOUT; channel <= WIRE_STDERR; channel++) {
        Partial *partial = &stream->partial[channel];
        gsize size = partial->size;

        partial->size = 0;
        if (size > 0)
            write_line(stream, code_line_output(channel, partial->bytes, size,
                                                /* is_earlier= */ FALSE));
    }
}

static void
on_message(const RunnerMessage *message, gpointer data)
{
    flush_partial(data);
    write_line(data, code_line_message(message));
}

static void
on_unheard(gpointer data)
{
    CodeStream *stream = data;

    guest_interpreter_hold(stream->interpreter, FALSE);
    stream->interpreter = NULL;
}

static const GuestHearing hearing = {on_output, on_message, on_unheard};

/* --- the end --- */

static void
on_executed(GObject *source, GAsyncResult *result, gpointer data)
{
    CodeStream *stream = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GuestExecution) execution = guest_interpreter_execute_finish(NULL, result, &error);

    stream->is_executing = FALSE;
    if (!stream->outlet) {
        stream_free(stream);
        return;
    }
    if (execution || error->domain == CLOCHE_ERROR) {
        flush_partial(stream);
        write_line(stream, code_line_end(execution, error));
    }
    outlet_end(stream->outlet, /* all_came= */ TRUE);
}

static gboolean
on_idle(gpointer data)
{
    CodeStream *stream = data;

    stream->over_source = 0;
    g_clear_pointer(&stream->outlet, outlet_free);
    if (!stream->is_executing)
        stream_free(stream);
    return G_SOURCE_REMOVE;
}

/* The outlet still uses its data when it says so. */
static void
on_over(Outlet *outlet, gpointer data)
{
    CodeStream *stream = data;

    if (stream->over_source == 0)
        stream->over_source = g_idle_add(on_idle, stream);
}

static void
on_passed(Outlet *outlet, gsize size, gpointer data)
{
    CodeStream *stream = data;

    stream->pending -= size;
    if (stream->pending == 0 && stream->interpreter)
        guest_interpreter_hold(stream->interpreter, FALSE);
}

static void
on_reader_left(Outlet *outlet, gpointer data)
{
    CodeStream *stream = data;

    operation_cancel(stream->operation);
}

static const OutletEvents outlet_events = {on_passed, on_reader_left, on_over};

static void
on_abandoned(gpointer data)
{
    CodeStream *stream = data;

    g_clear_handle_id(&stream->over_source, g_source_remove);
    g_clear_pointer(&stream->outlet, outlet_free);
    operation_end(g_steal_pointer(&stream->operation));
    if (!stream->is_executing)
        stream_free(stream);
}

static const OperationEvents operation_events = {.abandoned = on_abandoned};

/* --- the beginning --- */

static void
start(Operation *operation, GuestInterpreter *interpreter, const GuestCode *code, int writer)
{
    CodeStream *stream = g_new0(CodeStream, 1);
    GuestCode heard = *code;

    stream->operation = operation;
    stream->interpreter = interpreter;
    stream->is_executing = TRUE;
    stream->outlet = outlet_new(/* keeps= */ FALSE, &outlet_events, stream);
    operation_watch(operation, &operation_events, stream);
    heard.hearing = &hearing;
    heard.hearing_data = stream;
    /* Before the execution, which may report something at once. */
    outlet_connect(stream->outlet, writer, /* is_complete_stream= */ TRUE);
    guest_interpreter_execute_async(interpreter, &heard, operation_cancellable(operation),
                                    on_executed, stream);
}

int
core_stream_code(Sandbox *sandbox, Context *context, const GuestCode *code, GError **error)
{
    Operation *operation = operation_begin(sandbox, /* caller= */ NULL, error);
    int writer, reader;

    if (!operation)
        return -1;
    if (!operation_hold(operation, 2 * strlen(code->code), error) ||
        !complete_stream_open(&writer, &reader, error)) {
        operation_end(operation);
        return -1;
    }
    g_unix_set_fd_nonblocking(writer, TRUE, NULL);
    start(operation, context->interpreter, code, writer);
    return reader;
}
