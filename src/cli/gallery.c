/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gallery: pictures, PDF and HTML are saved; other data repeats the text of the result. */
#include "gallery.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "guest.h"
#include "image.h"
#include "screen.h"
#include "text.h"

#define FILE_SIZE_MIN 4096u

gboolean
gallery_prepare(const Gallery *gallery, GError **error)
{
    const char *folder = gallery->directory;

    if (folder == NULL ||
        (g_mkdir_with_parents(folder, 0777) == 0 && g_access(folder, W_OK | X_OK) == 0))
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot save to '%s': %s",
                folder, g_strerror(errno));
    return FALSE;
}

static void G_GNUC_PRINTF(1, 2) tell(const char *format, ...)
{
    g_autofree char *line = NULL;
    g_autofree char *shown = NULL;
    va_list arguments;

    va_start(arguments, format);
    line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    shown = text_escape(line);
    fprintf(stderr, "%s\n", shown);
}

/* "image/png 640x480, 23 KB" */
static char *
describe(const char *mime, GBytes *bytes)
{
    gsize size;
    gconstpointer data = g_bytes_get_data(bytes, &size);
    g_autofree char *text = text_from_size(size);
    guint32 width, height;

    if (!image_png_size(data, size, &width, &height))
        return g_strdup_printf("%s, %s", mime, text);
    return g_strdup_printf("%s %ux%u, %s", mime, width, height, text);
}

/* path: the file; NULL with an error. */
static void
tell_saved(Gallery *gallery, const char *what, const char *path, const GError *error)
{
    gallery->has_failed |= path == NULL;
    if (path == NULL)
        tell("[%s] %s", what, error->message);
    else if (!gallery->cli->json)
        tell("[%s] saved to %s", what, path);
}

static gboolean
take_room(Gallery *gallery, gsize size, GError **error)
{
    gallery->saved += size;
    if (gallery->saved <= GALLERY_SAVE_MAX)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
                "not saved: at most %u MiB of results are saved per execution",
                GALLERY_SAVE_MAX / (1024 * 1024));
    return FALSE;
}

static void
save(Gallery *gallery, const char *mime, GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *what = describe(mime, bytes);
    g_autofree char *path = NULL;
    gsize size;
    gconstpointer data = g_bytes_get_data(bytes, &size);

    if (take_room(gallery, MAX(size, FILE_SIZE_MIN), &error))
        path = image_save(gallery->directory, mime, data, size, &gallery->next_number, &error);
    tell_saved(gallery, what, path, error);
}

static gboolean
show(Gallery *gallery, Stream *out, const char *mime, GBytes *bytes)
{
    GString *shown;

    if (!gallery->knows_protocol)
        gallery->protocol = screen_find_protocol();
    gallery->knows_protocol = TRUE;
    shown = picture_encode(gallery->protocol, mime, bytes);
    if (shown == NULL)
        return FALSE;
    stream_write(out, shown->str, shown->len);
    g_string_free(shown, TRUE);
    return TRUE;
}

gboolean
gallery_take(Gallery *gallery, Stream *out, const char *mime, GBytes *bytes)
{
    gboolean is_picture = image_is_mime(mime);
    gboolean is_shown = is_picture && out != NULL && show(gallery, out, mime, bytes);

    if (gallery->directory != NULL &&
        (is_picture || g_str_equal(mime, "application/pdf") || g_str_equal(mime, "text/html"))) {
        save(gallery, mime, bytes);
    } else if (is_picture && !is_shown && !gallery->cli->json) {
        g_autofree char *what = describe(mime, bytes);

        tell("[%s] not shown: --save DIR saves it", what);
    }
    return is_picture;
}

/* --- files in the sandbox --- */

static int
open_in_sandbox(Gallery *gallery, const char *path, GCancellable *interrupted, GError **error)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;

    if (!cloche_sandbox_call_read_file_sync(
            gallery->sandbox, path, g_variant_new("a{sv}", /* entries= */ NULL), CLIENT_CALL,
            /* fds= */ NULL, &handle, &fds, interrupted, error))
        return -1;
    return guest_take_fd(handle, fds, error);
}

static gboolean
copy(Gallery *gallery, Stream *from, Stream *to, const char *path, GError **error)
{
    char bytes[65536];
    gssize n = 0;
    int r = 0;

    while (r == 0 && (n = stream_read(from, bytes, sizeof bytes)) > 0) {
        if (!take_room(gallery, n, error))
            return FALSE;
        r = stream_write(to, bytes, n);
    }
    if (r < 0)
        stream_set_error(error, r, "the file");
    else if (n < 0)
        stream_set_error(error, (int)n, path);
    return n == 0 && r == 0;
}

/* Takes the descriptor. */
static char *
save_from(Gallery *gallery, const char *mime, Stream *from, const char *path, GError **error)
{
    g_autofree char *saved = NULL;
    Stream to = {.interrupted = from->interrupted};
    gboolean is_done;

    to.fd = image_create(gallery->directory, mime, &gallery->next_number, &saved, error);
    if (to.fd < 0) {
        close(from->fd);
        return NULL;
    }
    is_done = copy(gallery, from, &to, path, error);
    close(from->fd);
    close(to.fd);
    if (is_done)
        return g_steal_pointer(&saved);
    g_unlink(saved);
    return NULL;
}

void
gallery_fetch(Gallery *gallery, const char *mime, const char *path, GCancellable *interrupted)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *saved = NULL;
    Stream from = {.interrupted = interrupted};

    if (gallery->directory == NULL) {
        if (gallery->stays)
            tell("[%s, too large to be sent] stored in the sandbox: %s", mime, path);
        else
            tell("[%s, too large to be sent] not shown: --save DIR saves it", mime);
        return;
    }
    from.fd = take_room(gallery, FILE_SIZE_MIN, &error)
                  ? open_in_sandbox(gallery, path, interrupted, &error)
                  : -1;
    if (from.fd >= 0)
        saved = save_from(gallery, mime, &from, path, &error);
    if (error != NULL)
        client_tidy_error(error);
    tell_saved(gallery, mime, saved, error);
}
