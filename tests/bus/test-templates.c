/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-templates: templates are made once and verified at each start, made again when their image
 * changes, and refused when they are damaged.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
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

/* --- versions in use --- */

static char *
ram_of(Fixture *fixture, const char *name, const char *key)
{
    g_autofree char *version = g_strdup_printf("%s-%s", name, key);

    return g_build_filename(fixture->ram, version, NULL);
}

static gboolean
exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* Asks until it is gone. */
static void
wait_until_gone(Fixture *fixture, const char *path)
{
    gint64 end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    while (exists(path)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_variant_unref(call(fixture->bus, MANAGER, "ListTemplates", "()"));
    }
}

/* Whether build-image could remove the image. */
static gboolean
image_is_free(Fixture *fixture, const char *version)
{
    g_autofree char *path = g_build_filename(fixture->state, "images", version, NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean is_free;

    g_assert_cmpint(fd, >=, 0);
    is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return is_free;
}

/* The template is rebuilt while a sandbox runs from its old version, which stays until then. */
static void
test_old_version(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *old = key_of(fixture), *folder = template_folder(fixture, old);
    g_autofree char *ram = ram_of(fixture, "minimal", old), *sandbox = create(fixture->bus);
    g_autofree char *now = NULL, *now_folder = NULL, *now_ram = NULL, *second = NULL;

    fixture_end(fixture, SIGTERM);
    fixture_add_image(fixture, "minimal", "2", "", "");
    for (guint i = 0; i < 2; i++) {
        g_autofree char *key = NULL;

        fixture_start(fixture);
        key = key_of(fixture);
        g_assert_cmpstr(key, !=, old);
        g_assert_true(exists(folder));
        g_assert_true(exists(ram));
        g_assert_false(image_is_free(fixture, "minimal-1"));
        g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
        fixture_end(fixture, i == 0 ? SIGKILL : SIGTERM);
    }
    fixture_start(fixture);
    now = key_of(fixture);
    second = create(fixture->bus);
    kill_sandbox(fixture->bus, sandbox);
    wait_until_gone(fixture, folder);
    wait_until_gone(fixture, ram);
    g_assert_true(image_is_free(fixture, "minimal-1"));
    now_folder = template_folder(fixture, now);
    now_ram = ram_of(fixture, "minimal", now);
    g_assert_true(exists(now_folder));
    g_assert_true(exists(now_ram));
    g_assert_false(image_is_free(fixture, "minimal-2"));
    g_variant_unref(run_shell(fixture->bus, second, "true"));
}

/* The sandbox ends before the new version is ready. */
static void
test_old_version_ends_early(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *old = key_of(fixture), *folder = template_folder(fixture, old);
    g_autofree char *ram = ram_of(fixture, "minimal", old), *sandbox = create(fixture->bus);

    fixture_end(fixture, SIGTERM);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_hold(fixture);
    fixture_start(fixture);
    kill_sandbox(fixture->bus, sandbox);
    fixture_release(fixture);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    wait_until_gone(fixture, folder);
    wait_until_gone(fixture, ram);
}

/* A service that did not write keys wrote the record: the sandbox goes on. */
static void
test_record_without_key(void)
{
    g_autoptr(Fixture) fixture = begin();
    g_autofree char *sandbox = create(fixture->bus);

    fixture_end(fixture, SIGTERM);
    fixture_edit_record(fixture, id_of(sandbox), "TemplateKey", NULL);
    fixture_add_image(fixture, "minimal", "2", "", "");
    fixture_start(fixture);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    g_variant_unref(call(fixture->bus, sandbox, "SetTimeout", "(uint64 100,)"));
    fixture_restart(fixture, SIGKILL);
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    kill_sandbox(fixture->bus, sandbox);
}

/* A template that is not installed any more stays for the sandbox that runs from it. */
static void
test_uninstalled(void)
{
    const FixtureOptions options = {.has_other = TRUE};
    g_autoptr(Fixture) fixture = fixture_new(&options);
    g_autoptr(GVariant) template = wait_for_template(fixture->bus, "other"), created = NULL;
    g_autofree char *key = dict_string(template, "key"), *ram = ram_of(fixture, "other", key);
    g_autofree char *version = g_strdup_printf("other-%s", key);
    g_autofree char *folder = g_build_filename(fixture->state, "templates", version, NULL);
    g_autofree char *link = g_build_filename(fixture->state, "images", "other", NULL);
    const char *sandbox;

    created = call(fixture->bus, MANAGER, "CreateSandbox", "({'template': <'other'>},)");
    g_variant_get(created, "(&o)", &sandbox);
    fixture_end(fixture, SIGTERM);
    g_assert_cmpint(unlink(link), ==, 0);
    fixture_start(fixture);
    g_variant_unref(wait_for_template(fixture->bus, "minimal"));
    call_fails(fixture->bus, MANAGER, "CreateSandbox", "NoSuchTemplate",
               "template 'other' is not installed; installed are: minimal",
               "({'template': <'other'>},)");
    g_assert_true(exists(folder));
    g_assert_true(exists(ram));
    g_variant_unref(run_shell(fixture->bus, sandbox, "true"));
    kill_sandbox(fixture->bus, sandbox);
    wait_until_gone(fixture, folder);
    wait_until_gone(fixture, ram);
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
    g_test_add_func("/templates/old-version", test_old_version);
    g_test_add_func("/templates/old-version-ends-early", test_old_version_ends_early);
    g_test_add_func("/templates/record-without-key", test_record_without_key);
    g_test_add_func("/templates/uninstalled", test_uninstalled);
    return g_test_run();
}
