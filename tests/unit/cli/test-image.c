/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-image: a guest cannot choose the name of a saved picture, and existing files are not
 * overwritten. */
#include "image.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const guint8 png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0";

static void
test_names(void)
{
    static const char *const names[][2] = {
        {"image/png", "007.png"},
        {"image/jpeg", "007.jpg"},
        {"image/svg+xml", "007.svg"},
        {"image/gif", "007.gif"},
        {"image/../../x", "007.image"},
        {"image/", "007.image"},
        {"text/html", "007.html"},
        {"application/pdf", "007.pdf"},
        {"application/geo+json", "007.json"},
        {"x/..", "007.bin"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = image_file_name(names[i][0], 7);

        g_assert_cmpstr(name, ==, names[i][1]);
    }
    g_assert_true(image_is_mime("image/png"));
    g_assert_false(image_is_mime("text/plain"));
    g_assert_false(image_is_mime("image"));
}

static void
test_png_size(void)
{
    guint32 width = 0, height = 0;

    g_assert_true(image_png_size(png, 24, &width, &height));
    g_assert_cmpuint(width, ==, 640);
    g_assert_cmpuint(height, ==, 480);
    for (gsize size = 0; size < 24; size++)
        g_assert_false(image_png_size(png, size, &width, &height));
    g_assert_false(
        image_png_size((const guint8 *)"<svg xmlns='http://www.w3.org/'>", 32, &width, &height));
}

static void
assert_file(const char *directory, const char *name, const char *contents)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *found = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(path, &found, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(found, ==, contents);
    g_unlink(path);
}

static void
assert_saves(const char *directory, const char *mime, const char *data, guint *number,
             const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = g_build_filename(directory, name, NULL);
    g_autofree char *path = image_save(directory, mime, data, strlen(data), number, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(path, ==, expected);
}

static void
test_save(void)
{
    g_autofree char *directory = g_dir_make_tmp("cloche-image-XXXXXX", NULL);
    guint first = 1, second = 1;

    assert_saves(directory, "image/png", "one", &first, "001.png");
    assert_saves(directory, "image/svg+xml", "two", &first, "002.svg");
    assert_saves(directory, "image/png", "three", &second, "002.png");
    assert_saves(directory, "image/svg+xml", "four", &second, "003.svg");
    g_assert_cmpuint(first, ==, 3);
    g_assert_cmpuint(second, ==, 4);
    assert_file(directory, "001.png", "one");
    assert_file(directory, "002.svg", "two");
    assert_file(directory, "002.png", "three");
    assert_file(directory, "003.svg", "four");
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void
test_save_through_link(void)
{
    g_autofree char *directory = g_dir_make_tmp("cloche-image-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(directory, "001.png", NULL);
    g_autofree char *target = g_build_filename(directory, "target", NULL);
    guint number = 1;

    g_assert_cmpint(symlink(target, link), ==, 0);
    assert_saves(directory, "image/png", "one", &number, "002.png");
    g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
    assert_file(directory, "002.png", "one");
    g_assert_cmpint(g_unlink(link), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void
test_save_nowhere(void)
{
    g_autoptr(GError) error = NULL;
    guint number = 1;

    g_assert_null(image_save("/nonexistent", "image/png", "x", 1, &number, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, "/nonexistent/001.png"));
    g_assert_cmpuint(number, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/image/names", test_names);
    g_test_add_func("/cli/image/png-size", test_png_size);
    g_test_add_func("/cli/image/save", test_save);
    g_test_add_func("/cli/image/save-through-link", test_save_through_link);
    g_test_add_func("/cli/image/save-nowhere", test_save_nowhere);
    return g_test_run();
}
