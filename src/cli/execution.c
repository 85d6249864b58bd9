/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* execution: each result is one picture or one text, whichever says more. */
#include "execution.h"

#include <string.h>

#include "image.h"
#include "text.h"

typedef struct {
    Cli *cli;
    const char *directory; /* NULL: pictures are not saved */
    guint next_number;
    gboolean failed;
} Gallery;

static gconstpointer
result_bytes(GVariant *value, gsize *size)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_variant_get_fixed_array(value, size, 1);
    return g_variant_get_string(value, size);
}

/* "image/png 640x480, 23 KB" */
static char *
describe_image(const char *mime, gconstpointer data, gsize size)
{
    g_autofree char *text = text_from_size(size);
    guint32 width, height;

    if (!image_png_size(data, size, &width, &height))
        return g_strdup_printf("%s, %s", mime, text);
    return g_strdup_printf("%s %ux%u, %s", mime, width, height, text);
}

static void
note_image(Gallery *gallery, const char *mime, GVariant *value)
{
    g_autoptr(GError) error = NULL;
    gsize size;
    gconstpointer data = result_bytes(value, &size);
    g_autofree char *description = describe_image(mime, data, size);
    g_autofree char *path = NULL;
    g_autofree char *line = NULL;

    if (gallery->directory == NULL) {
        line = g_strdup_printf("[%s] --save DIR keeps it", description);
    } else {
        path = image_save(gallery->directory, mime, data, size, &gallery->next_number, &error);
        gallery->failed |= path == NULL;
        line = path != NULL ? g_strdup_printf("[%s] saved to %s", description, path)
                            : g_strdup_printf("[%s] %s", description, error->message);
    }
    if (!gallery->cli->json || path == NULL) {
        g_autofree char *shown = text_escape(line);

        fprintf(stderr, "%s\n", shown);
    }
}

static gboolean
note_images(Gallery *gallery, GVariant *data)
{
    gboolean found = FALSE;
    GVariantIter iter;
    const char *mime;
    GVariant *value;

    g_variant_iter_init(&iter, data);
    while (g_variant_iter_loop(&iter, "{&sv}", &mime, &value)) {
        if (!image_is_mime(mime))
            continue;
        note_image(gallery, mime, value);
        found = TRUE;
    }
    return found;
}

static void
note_other_data(GVariant *data)
{
    GVariantIter iter;
    const char *mime;
    GVariant *value;

    g_variant_iter_init(&iter, data);
    while (g_variant_iter_loop(&iter, "{&sv}", &mime, &value)) {
        gsize size;
        g_autofree char *text = NULL;
        g_autofree char *shown = text_escape(mime);

        result_bytes(value, &size);
        text = text_from_size(size);
        fprintf(stderr, "[%s, %s] --json prints it\n", shown, text);
    }
}

static void
print_line(FILE *stream, const char *text)
{
    fputs(text, stream);
    if (*text != '\0' && !g_str_has_suffix(text, "\n"))
        fputc('\n', stream);
}

static void
show_result(Gallery *gallery, GVariant *result)
{
    g_autoptr(GVariant) data = g_variant_lookup_value(result, "data", G_VARIANT_TYPE_VARDICT);
    const char *text;

    if (data == NULL || note_images(gallery, data))
        return;
    if (g_variant_lookup(data, "text/plain", "&s", &text))
        print_line(stdout, text);
    else
        note_other_data(data);
}

static void
for_each_result(Gallery *gallery, GVariant *execution, gboolean pictures_only)
{
    g_autoptr(GVariant) results =
        g_variant_lookup_value(execution, "results", G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; results != NULL && i < g_variant_n_children(results); i++) {
        g_autoptr(GVariant) result = g_variant_get_child_value(results, i);
        g_autoptr(GVariant) data = g_variant_lookup_value(result, "data", G_VARIANT_TYPE_VARDICT);

        if (!pictures_only)
            show_result(gallery, result);
        else if (data != NULL)
            note_images(gallery, data);
    }
}

static const char *
lookup_text(GVariant *dictionary, const char *key)
{
    const char *text = "";

    g_variant_lookup(dictionary, key, "&s", &text);
    return text;
}

static void
show_error(GVariant *execution)
{
    g_autoptr(GVariant) error = g_variant_lookup_value(execution, "error", G_VARIANT_TYPE("a{ss}"));
    const char *status = lookup_text(execution, "status");
    const char *traceback = "";

    if (error != NULL) {
        g_variant_lookup(error, "traceback", "&s", &traceback);
        if (*traceback != '\0')
            print_line(stderr, traceback);
        else
            fprintf(stderr, "%s: %s\n", lookup_text(error, "name"), lookup_text(error, "value"));
    }
    if (g_str_equal(status, "timed-out"))
        cli_note("the code was stopped when its time was over; --timeout gives it more");
    else if (g_str_equal(status, "interrupted"))
        cli_note("the code was interrupted");
}

static void
note_truncation(GVariant *execution, const char *stream)
{
    g_autofree char *key = g_strconcat(stream, "-truncated", NULL);
    gboolean truncated = FALSE;

    if (g_variant_lookup(execution, key, "b", &truncated) && truncated)
        cli_note("%s is not whole: the code wrote more than the service keeps", stream);
}

static void
show_for_people(Gallery *gallery, GVariant *execution)
{
    fputs(lookup_text(execution, "stdout"), stdout);
    fflush(stdout);
    fputs(lookup_text(execution, "stderr"), stderr);
    for_each_result(gallery, execution, /* pictures_only= */ FALSE);
    fflush(stdout);
    note_truncation(execution, "stdout");
    note_truncation(execution, "stderr");
    show_error(execution);
}

int
execution_show(Cli *cli, GVariant *execution, const char *save)
{
    Gallery gallery = {.cli = cli, .directory = save, .next_number = 1};

    if (!cli->json) {
        show_for_people(&gallery, execution);
    } else {
        cli_print_json(json_from_variant(execution));
        if (save != NULL)
            for_each_result(&gallery, execution, /* pictures_only= */ TRUE);
    }
    if (!cli_flush() || gallery.failed)
        return CLI_FAILED;
    return g_str_equal(lookup_text(execution, "status"), "ok") ? CLI_OK : CLI_CODE_RAISED;
}
