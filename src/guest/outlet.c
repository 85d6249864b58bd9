/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outlet: a descriptor into which bytes of the guest are written. */
#include "outlet.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "closer.h"
#include "complete-stream.h"

struct Outlet {
    int fd; /* -1: there is no reader */
    guint source;
    GIOCondition condition; /* of the source */
    GByteArray *kept;
    gsize reported; /* of the beginning of `kept`: reported as passed already */
    gboolean is_complete_stream, all_came;
    gboolean keeps, has_ended, has_lost;
    const OutletEvents *events;
    gpointer data;
};

Outlet *
outlet_new(gboolean keeps, const OutletEvents *events, gpointer data)
{
    Outlet *outlet = g_new0(Outlet, 1);

    outlet->fd = -1;
    outlet->kept = g_byte_array_new();
    outlet->keeps = keeps;
    outlet->events = events;
    outlet->data = data;
    return outlet;
}

/* A socket may have a second descriptor for its other direction, so closing alone does not end it.
 */
static void
disconnect(Outlet *outlet)
{
    g_clear_handle_id(&outlet->source, g_source_remove);
    if (outlet->fd < 0)
        return;
    if (outlet->is_complete_stream && outlet->all_came && outlet->kept->len == 0)
        complete_stream_finish(outlet->fd);
    if (outlet->is_complete_stream) {
        close(outlet->fd);
    } else {
        shutdown(outlet->fd, SHUT_WR);
        closer_close(outlet->fd);
    }
    outlet->fd = -1;
}

void
outlet_free(Outlet *outlet)
{
    if (!outlet)
        return;
    disconnect(outlet);
    g_byte_array_unref(outlet->kept);
    g_free(outlet);
}

gboolean
outlet_is_over(const Outlet *outlet)
{
    return outlet->has_ended && outlet->fd < 0;
}

gboolean
outlet_has_lost(const Outlet *outlet)
{
    return outlet->has_lost;
}

char *
outlet_dup_text(const Outlet *outlet)
{
    const char *text = outlet->kept->len > 0 ? (const char *)outlet->kept->data : "";

    return g_utf8_make_valid(text, (gssize)outlet->kept->len);
}

static void
discard(Outlet *outlet, gsize size)
{
    g_byte_array_remove_range(outlet->kept, 0, (guint)size);
    outlet->has_lost = TRUE;
}

/* Bytes that wait for no reader count as passed, so the guest may send more. They are reported only
 * once, because the guest would otherwise get a larger window than there is. */
static void
report_kept(Outlet *outlet)
{
    gsize size = outlet->kept->len - outlet->reported;

    outlet->reported = outlet->kept->len;
    if (size > 0)
        outlet->events->passed(outlet, size, outlet->data);
}

static void
report_written(Outlet *outlet, gsize size)
{
    gsize known = MIN(size, outlet->reported);

    outlet->reported -= known;
    if (size > known)
        outlet->events->passed(outlet, size - known, outlet->data);
}

static void
reader_left(Outlet *outlet)
{
    disconnect(outlet);
    report_kept(outlet);
    if (!outlet->keeps)
        g_byte_array_set_size(outlet->kept, outlet->reported = 0);
    outlet->events->left(outlet, outlet->data);
    if (outlet->has_ended)
        outlet->events->over(outlet, outlet->data);
}

static gboolean on_ready(int fd, GIOCondition condition, gpointer data);

/* Notices a reader that closes its end also while there is nothing to write. */
static void
watch(Outlet *outlet)
{
    GIOCondition condition = G_IO_ERR | G_IO_HUP | (outlet->kept->len > 0 ? G_IO_OUT : 0);

    if (outlet->source != 0 && condition == outlet->condition)
        return;
    g_clear_handle_id(&outlet->source, g_source_remove);
    outlet->condition = condition;
    outlet->source = g_unix_fd_add(outlet->fd, condition, on_ready, outlet);
}

/* Writes what the descriptor takes. FALSE: the reader has closed its end. */
static gboolean
write_some(Outlet *outlet, const guint8 *bytes, gsize size, gsize *ret_written)
{
    gssize n;

    do
        n = write(outlet->fd, bytes, size);
    while (n < 0 && errno == EINTR);
    *ret_written = n > 0 ? (gsize)n : 0;
    return n >= 0 || errno == EAGAIN;
}

static void
flush(Outlet *outlet)
{
    gsize written = 0;

    if (outlet->kept->len > 0 &&
        !write_some(outlet, outlet->kept->data, outlet->kept->len, &written)) {
        reader_left(outlet);
        return;
    }
    g_byte_array_remove_range(outlet->kept, 0, (guint)written);
    if (outlet->kept->len == 0 && outlet->has_ended)
        disconnect(outlet);
    else
        watch(outlet);
    report_written(outlet, written);
    if (outlet_is_over(outlet))
        outlet->events->over(outlet, outlet->data);
}

static gboolean
on_ready(int fd, GIOCondition condition, gpointer data)
{
    Outlet *outlet = data;

    outlet->source = 0;
    if (condition & (G_IO_ERR | G_IO_HUP) && !(condition & G_IO_OUT))
        reader_left(outlet);
    else
        flush(outlet);
    return G_SOURCE_REMOVE;
}

void
outlet_connect(Outlet *outlet, int fd, gboolean is_complete_stream)
{
    disconnect(outlet);
    outlet->fd = fd;
    outlet->is_complete_stream = is_complete_stream;
    report_kept(outlet);
    flush(outlet);
}

static void
keep(Outlet *outlet, const guint8 *bytes, gsize size)
{
    if (size > OUTLET_KEPT_MAX) {
        bytes += size - OUTLET_KEPT_MAX;
        size = OUTLET_KEPT_MAX;
        outlet->has_lost = TRUE;
    }
    if (outlet->kept->len + size > OUTLET_KEPT_MAX)
        discard(outlet, outlet->kept->len + size - OUTLET_KEPT_MAX);
    g_byte_array_append(outlet->kept, bytes, (guint)size);
}

void
outlet_add(Outlet *outlet, const guint8 *bytes, gsize size)
{
    gsize written = 0;

    if (outlet->fd < 0) {
        if (outlet->keeps)
            keep(outlet, bytes, size);
        outlet->reported = outlet->kept->len;
        outlet->events->passed(outlet, size, outlet->data);
        return;
    }
    if (outlet->kept->len == 0 && !write_some(outlet, bytes, size, &written)) {
        g_byte_array_append(outlet->kept, bytes, (guint)size);
        reader_left(outlet);
        return;
    }
    g_byte_array_append(outlet->kept, bytes + written, (guint)(size - written));
    watch(outlet);
    report_written(outlet, written);
}

void
outlet_end(Outlet *outlet, gboolean all_came)
{
    if (outlet->has_ended)
        return;
    outlet->has_ended = TRUE;
    outlet->all_came = all_came;
    if (outlet->fd >= 0)
        flush(outlet);
    else
        outlet->events->over(outlet, outlet->data);
}
