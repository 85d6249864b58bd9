/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-templates: templates are made once and verified at each start, made again when their image
 * changes, and refused when they are damaged.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "fixture.h"

static Fixture *
begin(void)
{
    const FixtureOptions options = {.target = 0};
    Fixture *fixture = fixture_new(&options);

    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    return fixture;
}

static char *
key_of(Fixture *fixture)
{
    g_autoptr(GVariant) template = wait_for_template(fixture->bus, "minimal");

    return dict_string(template, "key");
}

static char *
template_folder(Fixture *fixture, const char *key)
{
    g_autofree char *name = g_strdup_printf("minimal-%s", key);

    return g_build_filename(fixture->state, "templates", name, NULL);
}

static ino_t
inode_of(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_ino;
}

/* The first byte: the fake guest writes its RAM there. */
static void
flip_byte(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    guint8 byte;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, &byte, 1, 0), ==, 1);
    byte ^= 1;
    g_assert_cmpint(pwrite(fd, &byte, 1, 0), ==, 1);
    close(fd);
}

static void
test_made_once(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *key = key_of(fixture), *folder = template_folder(fixture, key);
    g_autofree char *again = NULL, *sandbox = NULL;
    ino_t inode = inode_of(folder, "state");

    fixture_stop(fixture);
    fixture_start(fixture);
    again = key_of(fixture);
    g_assert_cmpstr(key, ==, again);
    g_assert_cmpuint(inode_of(folder, "state"), ==, inode);
    sandbox = create(fixture->bus);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
}

static void
test_other_image(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *key = key_of(fixture), *folder = template_folder(fixture, key);
    g_autofree char *other = NULL, *other_folder = NULL, *sandbox = NULL;

    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_start(fixture);
    other = key_of(fixture);
    other_folder = template_folder(fixture, other);
    g_assert_cmpstr(key, !=, other);
    g_assert_true(g_file_test(other_folder, G_FILE_TEST_IS_DIR));
    g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
    sandbox = create(fixture->bus);
}

/* The template failed, with an error that names the file, and so does each call. */
static void
assert_damaged(Fixture *fixture, const char *path, const char *what)
{
    g_autoptr(GVariant) template = wait_for_template(fixture->bus, "minimal");
    g_autofree char *state = dict_string(template, "state");
    g_autofree char *error = dict_string(template, "error");
    g_autofree char *expected =
        g_strdup_printf("'%s' is damaged: its %s is not what was stored", path, what);

    g_assert_cmpstr(state, ==, "failed");
    g_assert_cmpstr(error, ==, expected);
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "TemplateDamaged", expected, NO_OPTIONS);
}

static void
test_damaged_parts(void)
{
    static const char *const parts[] = {"ram", "state", "disk.qcow2"};
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *key = key_of(fixture), *folder = template_folder(fixture, key);
    g_autofree char *sandbox = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = g_build_filename(folder, parts[i], NULL);

        fixture_stop(fixture);
        flip_byte(path);
        fixture_start(fixture);
        assert_damaged(fixture, path, "content");
        flip_byte(path);
    }
    fixture_stop(fixture);
    fixture_start(fixture);
    sandbox = create(fixture->bus);
}

static void
test_cut_part(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *key = key_of(fixture), *folder = template_folder(fixture, key);
    g_autofree char *path = g_build_filename(folder, "state", NULL);

    fixture_stop(fixture);
    g_assert_cmpint(truncate(path, 1000), ==, 0);
    fixture_start(fixture);
    assert_damaged(fixture, path, "size");
}

static void
test_damaged_image(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *path =
        g_build_filename(fixture->state, "images", "minimal-1", "disk.ext4", NULL);

    fixture_stop(fixture);
    flip_byte(path);
    fixture_start(fixture);
    assert_damaged(fixture, path, "content");
}

static void
test_boot_that_fails(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autoptr(GVariant) template = NULL;
    g_autofree char *state = NULL;

    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_set_control(fixture, "fail", "1");
    fixture_start(fixture);
    template = wait_for_template(fixture->bus, "minimal");
    state = dict_string(template, "state");
    g_assert_cmpstr(state, ==, "failed");
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "TemplateNotReady",
               "The test wants this start to fail", NO_OPTIONS);
}

static void
test_startup_that_fails(void)
{
    const char *runners = "python\nStartup.python=def work(): raise ValueError(6 * 7)\\nwork()";
    g_autoptr(Fixture) fixture = begin();
    g_autoptr(GVariant) template = NULL;
    g_autofree char *state = NULL;

    fixture_stop(fixture);
    fixture_add_image(fixture, "minimal", "2", "python", runners);
    fixture_start(fixture);
    template = wait_for_template(fixture->bus, "minimal");
    state = dict_string(template, "state");
    g_assert_cmpstr(state, ==, "failed");
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "TemplateNotReady",
               "Startup.python of the image failed: ValueError: 42", NO_OPTIONS);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/templates/made-once", test_made_once);
    g_test_add_func("/templates/other-image", test_other_image);
    g_test_add_func("/templates/damaged-parts", test_damaged_parts);
    g_test_add_func("/templates/cut-part", test_cut_part);
    g_test_add_func("/templates/damaged-image", test_damaged_image);
    g_test_add_func("/templates/boot-that-fails", test_boot_that_fails);
    g_test_add_func("/templates/startup-that-fails", test_startup_that_fails);
    return g_test_run();
}
