/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-trust: the files of certificates, below a folder that takes the place of the root. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "trust.h"
#include "wire.h"

#define IMAGE "-----BEGIN CERTIFICATE-----\nimage\n"
#define FIRST "-----BEGIN CERTIFICATE-----\nfirst, the longer one\n"
#define SECOND "-----BEGIN CERTIFICATE-----\nsecond\n"

static char *root;

static char *
below_root(const char *path)
{
    return g_strconcat(root, path, NULL);
}

static void
set_up(gboolean has_bundle)
{
    static const char *const folders[] = {"/etc/ssl/certs", TRUST_DIRECTORY, "/usr/local/share"};
    g_autofree char *bundle = NULL;

    root = g_dir_make_tmp("cloche-trust-XXXXXX", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = below_root(folders[i]);
        g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
    }
    bundle = below_root(TRUST_BUNDLE);
    if (has_bundle)
        g_assert_true(g_file_set_contents(bundle, IMAGE, -1, NULL));
    g_assert_cmpint(trust_prepare(root), ==, 0);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;

    while (directory && (name = g_dir_read_name(directory))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);
        if (g_file_test(entry, G_FILE_TEST_IS_SYMLINK))
            g_unlink(entry);
        else
            remove_tree(entry);
    }
    g_remove(path);
}

static void
tear_down(void)
{
    remove_tree(root);
    g_clear_pointer(&root, g_free);
}

static int
set(const char *pem)
{
    return trust_set((const guint8 *)pem, strlen(pem));
}

/* `text` NULL: there is no such file. */
static void
assert_file(const char *path, const char *text)
{
    g_autofree char *full = below_root(path), *actual = NULL;

    g_file_get_contents(full, &actual, NULL, NULL);
    g_assert_cmpstr(actual, ==, text);
}

static void
assert_link(const char *path, const char *target)
{
    g_autofree char *full = below_root(path);
    g_autofree char *actual = g_file_read_link(full, NULL);

    g_assert_cmpstr(actual, ==, target);
}

static void
assert_readable(const char *path)
{
    g_autofree char *full = below_root(path);
    struct stat st;

    g_assert_cmpint(stat(full, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0644);
}

static void
test_added(void)
{
    set_up(/* has_bundle= */ TRUE);
    assert_link(TRUST_BUNDLE, TRUST_COPY);
    assert_link(TRUST_LINK, TRUST_ADDED);
    assert_file(TRUST_COPY, IMAGE);
    assert_file(TRUST_ADDED, NULL);

    g_assert_cmpint(set(FIRST), ==, 0);
    assert_file(TRUST_COPY, IMAGE FIRST);
    assert_file(TRUST_ADDED, FIRST);
    assert_readable(TRUST_COPY);
    assert_readable(TRUST_ADDED);
    g_assert_cmpint(set(SECOND), ==, 0);
    assert_file(TRUST_COPY, IMAGE SECOND);
    assert_file(TRUST_ADDED, SECOND);
    g_assert_cmpint(set(""), ==, 0);
    g_assert_cmpint(set(""), ==, 0);
    assert_file(TRUST_COPY, IMAGE);
    assert_file(TRUST_ADDED, NULL);
    tear_down();
}

/* The package may be installed later. */
static void
test_image_without_bundle(void)
{
    set_up(/* has_bundle= */ FALSE);
    g_assert_cmpint(set(FIRST), ==, 0);
    assert_file(TRUST_BUNDLE, NULL);
    assert_file(TRUST_COPY, NULL);
    assert_file(TRUST_ADDED, FIRST);
    assert_link(TRUST_LINK, TRUST_ADDED);
    tear_down();
}

/* What is refused changes nothing. */
static void
test_refused(void)
{
    g_autofree char *large = g_malloc(WIRE_CERTIFICATES_MAX + 2);

    set_up(/* has_bundle= */ TRUE);
    memset(large, 'x', WIRE_CERTIFICATES_MAX + 1);
    memcpy(large, FIRST, strlen(FIRST));
    large[WIRE_CERTIFICATES_MAX] = '\n';
    large[WIRE_CERTIFICATES_MAX - 1] = '\n';
    g_assert_cmpint(trust_set((guint8 *)large, WIRE_CERTIFICATES_MAX), ==, 0);
    g_assert_cmpint(set(SECOND), ==, 0);
    g_assert_cmpint(trust_set((guint8 *)large, WIRE_CERTIFICATES_MAX + 1), ==, -EINVAL);
    g_assert_cmpint(set("certificate\n"), ==, -EINVAL);
    g_assert_cmpint(set("-----BEGIN CERTIFICATE-----"), ==, -EINVAL);
    g_assert_cmpint(set("-----BEGIN CERTIFICATE-----\nno newline"), ==, -EINVAL);
    g_assert_cmpint(trust_set((const guint8 *)FIRST "\0\n", sizeof FIRST + 1), ==, -EINVAL);
    assert_file(TRUST_COPY, IMAGE SECOND);
    assert_file(TRUST_ADDED, SECOND);
    tear_down();
}

/* Root of the guest replaced the files: the agent follows no link, and does not wait for a FIFO. */
static void
test_replaced_files(void)
{
    g_autofree char *copy = NULL, *other = NULL;

    set_up(/* has_bundle= */ TRUE);
    copy = below_root(TRUST_COPY);
    other = below_root("/other");
    g_assert_true(g_file_set_contents(other, "other", -1, NULL));
    g_assert_cmpint(unlink(copy), ==, 0);
    g_assert_cmpint(symlink(other, copy), ==, 0);
    g_assert_cmpint(set(FIRST), ==, -ELOOP);
    assert_file("/other", "other");
    g_assert_cmpint(unlink(copy), ==, 0);
    g_assert_cmpint(mkfifo(copy, 0600), ==, 0);
    g_assert_cmpint(set(FIRST), ==, -ENXIO);
    tear_down();
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trust/added", test_added);
    g_test_add_func("/trust/image-without-bundle", test_image_without_bundle);
    g_test_add_func("/trust/refused", test_refused);
    g_test_add_func("/trust/replaced-files", test_replaced_files);
    return g_test_run();
}
