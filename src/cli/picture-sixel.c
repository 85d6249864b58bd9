/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* picture-sixel: libpng decodes, because libsixel's loaders are not written for hostile pictures.
 */
#include "picture-sixel.h"

#include <png.h>
#include <sixel.h>
#include <string.h>

#include "jail.h"

#define N_COLORS 256
#define CPU_S 10
#define SIXEL_START "\033P"
#define SIXEL_END "\033\\"

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

/* The pixels, as RGB, of an image whose header has been read. */
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

static GString *
convert(GBytes *png)
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
        if (!encode(out, pixels, (int)image.width, (int)image.height)) {
            g_string_free(out, TRUE);
            out = NULL;
        }
    }
    png_image_free(&image);
    return out;
}

void
picture_sixel_main(void)
{
    GBytes *png = jail_enter(CPU_S) ? jail_read_input() : NULL;

    jail_exit(png != NULL ? convert(png) : NULL);
}

gboolean
picture_is_sixel(const GString *data)
{
    gsize start = strlen(SIXEL_START), end = strlen(SIXEL_END);

    if (data->len < start + end || !g_str_has_prefix(data->str, SIXEL_START) ||
        memcmp(data->str + data->len - end, SIXEL_END, end) != 0)
        return FALSE;
    for (gsize i = start; i < data->len - end; i++) {
        if (!g_ascii_isprint(data->str[i]) && data->str[i] != '\n')
            return FALSE;
    }
    return TRUE;
}

GString *
picture_sixel_from_png(GBytes *png)
{
    GString *out = jail_run(PICTURE_SIXEL_NAME, png, /* ret_status= */ NULL);

    if (out != NULL && picture_is_sixel(out))
        return g_string_append_c(out, '\n');
    if (out != NULL)
        g_string_free(out, TRUE);
    return NULL;
}
