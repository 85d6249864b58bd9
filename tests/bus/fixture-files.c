/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture-files: images, the configuration, and checks that no file is left. */
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "fake-agent.h"
#include "fake-record.h"
#include "fixture-private.h"

void
fixture_write_file(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

/* --- images --- */

static void
add_part(const char *folder, const char *part, GString *conf)
{
    g_autofree char *path = g_build_filename(folder, part, NULL);
    g_autofree char *text = g_strnfill(4096, *part);
    g_auto(FileDigest) digest = {0};
    g_autoptr(GError) error = NULL;

    fixture_write_file(folder, part, text);
    file_digest(path, &digest, &error);
    g_assert_no_error(error);
    g_string_append_printf(conf, "[%s]\nSize=%" G_GUINT64_FORMAT "\nSha256=%s\n", part, digest.size,
                           digest.sha256);
}

/* All languages that have a runner; the host has what they need. */
#define LANGUAGES "python;javascript;typescript;bash;jupyter"

void
fixture_add_image(Fixture *fixture, const char *name, const char *digest, const char *languages,
                  const char *runners)
{
    g_autofree char *images = g_build_filename(fixture->state, "images", NULL);
    g_autofree char *version = g_strdup_printf("%s-%s", name, digest);
    g_autofree char *folder = g_build_filename(images, version, NULL);
    g_autofree char *link = g_build_filename(images, name, NULL);
    g_autoptr(GString) conf = g_string_new("[Image]\n");

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_string_append_printf(conf,
                           "Name=%s\nDescription=%s for tests\nUser=root\nLanguages=%s\n"
                           "Runners=%s\nMemoryMiB=%d\nVcpus=1\nDigest=%s\nKernel=6.1\n",
                           name, name, languages, runners, MEMORY_MIB, digest);
    add_part(folder, "kernel", conf);
    add_part(folder, "initrd", conf);
    add_part(folder, "disk.ext4", conf);
    fixture_write_file(folder, "image.conf", conf->str);
    g_unlink(link);
    g_assert_cmpint(symlink(version, link), ==, 0);
}

/* --- config --- */

/* No connection to libvirt is opened. The embedded one is configured because the daemon then does
 * not confine itself: its machines are its children here, and would be confined, too. */
static void
write_config(const Fixture *fixture)
{
    const FixtureOptions *options = &fixture->options;
    g_autofree char *text = g_strdup_printf(
        "[Machines]\nConnection=qemu:///embed?root=%s\nGroup=\n[Pool]\nTarget=%u\n"
        "[Limits]\nSandboxes=%u\nMemoryMiB=%u\nVCpus=infinity\nDiskMiB=infinity\nLifetimeSec=%u\n"
        "[UserLimits]\nSandboxes=%u\nMemoryMiB=%u\nVCpus=infinity\nDiskMiB=infinity\n"
        "[Templates]\nDefault=%s\n[Folders]\nState=%s\nRun=%s\nRam=%s\n",
        fixture->dir, options->target, options->sandboxes ? options->sandboxes : 100,
        options->memory_mib ? options->memory_mib : 4096,
        options->lifetime_s ? options->lifetime_s : 86400,
        options->sandboxes ? options->sandboxes : 100,
        options->memory_mib ? options->memory_mib : 4096,
        options->default_template ? options->default_template : "minimal", fixture->state,
        fixture->run, fixture->ram);

    fixture_write_file(fixture->dir, "cloched.conf", text);
}

void
fixture_configure(Fixture *fixture, const char *text)
{
    g_autofree char *drop_ins = g_strconcat(fixture->config, ".d", NULL);

    g_mkdir(drop_ins, 0755);
    fixture_write_file(drop_ins, "50-test.conf", text);
}

/* Mounts a file system over the state folder, for this process and its children alone. */
static void
mount_state(const Fixture *fixture)
{
    g_autofree char *options = g_strdup_printf("mode=0711,size=%um", fixture->options.disk_mib);

    g_assert_cmpint(g_mkdir(fixture->state, 0711), ==, 0);
    g_assert_cmpint(unshare(CLONE_NEWNS), ==, 0);
    g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_assert_cmpint(mount("tmpfs", fixture->state, "tmpfs", 0, options), ==, 0);
}

void
fixture_make_files(Fixture *fixture)
{
    const FixtureOptions *options = &fixture->options;

    fixture->dir = g_dir_make_tmp("cloche-test-XXXXXX", NULL);
    g_assert_nonnull(fixture->dir);
    g_assert_cmpint(chmod(fixture->dir, 0711), ==, 0); /* other users connect to the bus */
    fixture->state = g_build_filename(fixture->dir, "state", NULL);
    fixture->run = g_build_filename(fixture->dir, "run", NULL);
    fixture->ram = g_build_filename(fixture->dir, "ram", NULL);
    fixture->control = g_build_filename(fixture->dir, "control", NULL);
    fixture->config = g_build_filename(fixture->dir, "cloched.conf", NULL);
    fixture->log = g_build_filename(fixture->dir, "log", NULL);
    if (options->disk_mib > 0)
        mount_state(fixture);
    fixture_add_image(fixture, "minimal", "1", "", "");
    if (options->has_python)
        fixture_add_image(fixture, "python", "1", "python",
                          options->python_runners ? options->python_runners : "python");
    if (options->has_interpreter)
        fixture_add_image(fixture, "interpreter", "1", LANGUAGES,
                          options->interpreter_runners ? options->interpreter_runners : "python");
    if (options->has_other)
        fixture_add_image(fixture, "other", "1", "", "");
    write_config(fixture);
    if (options->config)
        fixture_configure(fixture, options->config);
}

/* --- records --- */

void
fixture_copy_record(Fixture *fixture, const char *from, const char *to)
{
    g_autofree char *source = g_build_filename(fixture->state, "sandboxes", from, NULL);
    g_autofree char *folder = g_path_get_dirname(source), *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(source, &text, NULL, &error);
    g_assert_no_error(error);
    fixture_write_file(folder, to, text);
    fixture_edit_record(fixture, to, "Id", to);
}

void
fixture_edit_record(Fixture *fixture, const char *id, const char *key, const char *value)
{
    g_autofree char *path = g_build_filename(fixture->state, "sandboxes", id, NULL);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;

    g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error);
    g_assert_no_error(error);
    g_assert_true(g_key_file_has_key(file, "Sandbox", key, NULL));
    if (value)
        g_key_file_set_string(file, "Sandbox", key, value);
    else
        g_key_file_remove_key(file, "Sandbox", key, NULL);
    g_key_file_save_to_file(file, path, &error);
    g_assert_no_error(error);
}

/* --- what is left --- */

guint
fixture_count_files(const Fixture *fixture, const char *parent, const char *folder)
{
    g_autofree char *path = g_build_filename(parent, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint count = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        count++;
    return count;
}

static void
assert_no_unfinished(const Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->state, "templates", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)))
        g_assert_false(g_str_has_prefix(name, "."));
}

guint
fixture_count_processes(const Fixture *fixture)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;
    guint count = 0;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename("/proc", name, "cmdline", NULL);
        g_autofree char *words = NULL;
        gsize size;

        if (g_ascii_isdigit(*name) && g_file_get_contents(path, &words, &size, NULL))
            count += memmem(words, size, fixture->control, strlen(fixture->control)) != NULL;
    }
    return count;
}

guint
fixture_count_cgroups(const Fixture *fixture)
{
    g_autofree char *test = g_path_get_basename(fixture->dir);
    g_autoptr(GDir) dir = g_dir_open(fake_agent_cgroup_root(), 0, NULL);
    const char *name;
    guint count = 0;

    while ((name = g_dir_read_name(dir)))
        count += g_str_has_prefix(name, test);
    return count;
}

void
fixture_assert_counts(const Fixture *fixture, guint machines)
{
    g_assert_cmpuint(fixture_count_processes(fixture), ==, machines);
    g_assert_cmpuint(fixture_count_cgroups(fixture), ==, machines);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "machines"), ==, machines);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->run, "machines"), ==, machines);
}

void
fixture_assert_nothing_left(const Fixture *fixture)
{
    g_auto(GStrv) records = fake_record_names(fixture->control);

    fixture_assert_counts(fixture, 0);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->state, "sandboxes"), ==, 0);
    g_assert_null(records[0]);
    g_assert_cmpuint(fixture_count_files(fixture, fixture->ram, ""), ==, 0);
    assert_no_unfinished(fixture);
}
