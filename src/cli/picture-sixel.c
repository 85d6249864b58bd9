/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture-sixel: libpng decodes, for libsixel's own loaders are not made for strangers' pictures.
 */
#include "picture-sixel.h"

#include <png.h>
#include <sixel.h>
#include <string.h>

#define N_COLORS 256

static int
append(char *data, int size, gpointer out)
{
    g_string_append_len(out, data, size);
    return size;
}

static gboolean
encode(GString *out, guint8 *pixels, int width, int height)
{
    sixel_output_t *output = NULL;
    sixel_dither_t *dither = NULL;
    gboolean is_done =
        SIXEL_SUCCEEDED(sixel_output_new(&output, append, out, /* allocator= */ NULL)) &&
        SIXEL_SUCCEEDED(sixel_dither_new(&dither, N_COLORS, /* allocator= */ NULL)) &&
        SIXEL_SUCCEEDED(sixel_dither_initialize(dither, pixels, width, height,
                                                SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_AUTO,
                                                SIXEL_REP_AUTO, SIXEL_QUALITY_AUTO)) &&
        SIXEL_SUCCEEDED(sixel_encode(pixels, width, height, /* depth= */ 3, dither, output));

    if (dither != NULL)
        sixel_dither_unref(dither);
    if (output != NULL)
        sixel_output_unref(output);
    return is_done;
}

/* The pixels of an image whose header was read, as RGB. */
static guint8 *
decode(png_image *image)
{
    const png_color white = {255, 255, 255};
    guint8 *pixels;

    image->format = PNG_FORMAT_RGB;
    pixels = g_try_malloc(PNG_IMAGE_SIZE(*image));
    if (pixels != NULL &&
        !png_image_finish_read(image, &white, pixels, /* row_stride= */ 0, /* colormap= */ NULL))
        g_clear_pointer(&pixels, g_free);
    return pixels;
}

GString *
picture_sixel_from_png(GBytes *png)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    g_autofree guint8 *pixels = NULL;
    gsize size;
    gconstpointer data = g_bytes_get_data(png, &size);
    GString *out = NULL;

    if (png_image_begin_read_from_memory(&image, data, size) && image.width <= PICTURE_SIDE_MAX &&
        image.height <= PICTURE_SIDE_MAX)
        pixels = decode(&image);
    if (pixels != NULL) {
        out = g_string_new(NULL);
        if (encode(out, pixels, (int)image.width, (int)image.height)) {
            g_string_append_c(out, '\n');
        } else {
            g_string_free(out, TRUE);
            out = NULL;
        }
    }
    png_image_free(&image);
    return out;
}
