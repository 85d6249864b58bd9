/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image: names, the header of PNG, and creation of files. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

gboolean
image_is_mime(const char *mime)
{
    return g_str_has_prefix(mime, "image/");
}

static const char *
mime_extension(const char *mime)
{
    static const char *const known[][2] = {
        {"image/png", "png"},         {"image/jpeg", "jpg"},
        {"image/svg+xml", "svg"},     {"image/gif", "gif"},
        {"image/webp", "webp"},       {"image/bmp", "bmp"},
        {"image/tiff", "tiff"},       {"application/pdf", "pdf"},
        {"text/html", "html"},        {"text/plain", "txt"},
        {"text/markdown", "md"},      {"text/latex", "tex"},
        {"application/json", "json"}, {"application/javascript", "js"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_str_equal(mime, known[i][0]))
            return known[i][1];
    }
    if (g_str_has_suffix(mime, "+json"))
        return "json";
    return image_is_mime(mime) ? "image" : "bin";
}

char *
image_file_name(const char *mime, guint number)
{
    return g_strdup_printf("%03u.%s", number, mime_extension(mime));
}

gboolean
image_png_size(const guint8 *data, gsize size, guint32 *ret_width, guint32 *ret_height)
{
    static const guint8 start[16] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    guint32 words[2];

    if (size < sizeof start + sizeof words || memcmp(data, start, sizeof start) != 0)
        return FALSE;
    memcpy(words, data + sizeof start, sizeof words);
    *ret_width = GUINT32_FROM_BE(words[0]);
    *ret_height = GUINT32_FROM_BE(words[1]);
    return TRUE;
}

static gboolean
write_all(int fd, const char *data, gsize size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FALSE;
        data += n;
        size -= n;
    }
    return TRUE;
}

static void
set_file_error(GError **error, const char *path, int code)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "cannot write '%s': %s", path,
                g_strerror(code));
}

static gboolean
fill_file(int fd, const char *path, const void *data, gsize size, GError **error)
{
    int code = write_all(fd, data, size) ? 0 : errno;

    if (close(fd) != 0 && code == 0)
        code = errno;
    if (code == 0)
        return TRUE;
    g_unlink(path);
    set_file_error(error, path, code);
    return FALSE;
}

int
image_create(const char *directory, const char *mime, guint *number, char **ret_path,
             GError **error)
{
    for (;; (*number)++) {
        g_autofree char *name = image_file_name(mime, *number);
        g_autofree char *path = g_build_filename(directory, name, NULL);
        int fd = g_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0) {
            set_file_error(error, path, errno);
            return -1;
        }
        (*number)++;
        *ret_path = g_steal_pointer(&path);
        return fd;
    }
}

char *
image_save(const char *directory, const char *mime, const void *data, gsize size, guint *number,
           GError **error)
{
    g_autofree char *path = NULL;
    int fd = image_create(directory, mime, number, &path, error);

    if (fd < 0 || !fill_file(fd, path, data, size, error))
        return NULL;
    return g_steal_pointer(&path);
}
