/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture: a bus, a store and cloched-fake of a test's own. */
#include "fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "digest.h"
#include "fake-agent.h"
#include "util.h"

static const char bus_config[] =
    "<busconfig><type>session</type><keep_umask/><listen>unix:path=%s/bus</listen>"
    "<auth>EXTERNAL</auth><policy context='default'>"
    "<allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/>"
    "<allow own='*'/><allow user='*'/>"
    "</policy></busconfig>";

static void
write_file(const char *text, const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

/* A child ends with this process, however that ends. */
static void
on_child(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static GSubprocess *
spawn(GSubprocessLauncher *launcher, const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    g_subprocess_launcher_set_child_setup(launcher, on_child, NULL, NULL);
    process = g_subprocess_launcher_spawnv(launcher, argv, &error);
    g_assert_no_error(error);
    return process;
}

/* --- the store --- */

static void
add_part(const char *folder, const char *part, GString *conf)
{
    g_autofree char *path = g_build_filename(folder, part, NULL);
    g_autofree char *text = g_strnfill(4096, *part);
    g_auto(FileDigest) digest = {0};
    g_autoptr(GError) error = NULL;

    write_file(text, folder, part);
    file_digest(path, &digest, &error);
    g_assert_no_error(error);
    g_string_append_printf(conf, "[%s]\nSize=%" G_GUINT64_FORMAT "\nSha256=%s\n", part, digest.size,
                           digest.sha256);
}

void
fixture_add_image(Fixture *fixture, const char *name, const char *digest, const char *runner)
{
    g_autofree char *images = g_build_filename(fixture->state, "images", NULL);
    g_autofree char *version = g_strdup_printf("%s-%s", name, digest);
    g_autofree char *folder = g_build_filename(images, version, NULL);
    g_autofree char *link = g_build_filename(images, name, NULL);
    g_autoptr(GString) conf = g_string_new("[Image]\n");

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_string_append_printf(conf,
                           "Name=%s\nDescription=%s for tests\nUser=root\nRunners=%s\n"
                           "MemoryMiB=%d\nVcpus=1\nDigest=%s\nKernel=6.1\n",
                           name, name, runner ? runner : "", MEMORY_MIB, digest);
    add_part(folder, "kernel", conf);
    add_part(folder, "initrd", conf);
    add_part(folder, "disk.ext4", conf);
    write_file(conf->str, folder, "image.conf");
    g_unlink(link);
    g_assert_cmpint(symlink(version, link), ==, 0);
}

static void
write_config(const Fixture *fixture)
{
    const FixtureOptions *options = &fixture->options;
    g_autofree char *text = g_strdup_printf(
        "[Machines]\nGroup=\n[Pool]\nTarget=%u\n[Limits]\nSandboxes=%u\nMemoryMiB=%u\n"
        "TimeoutSec=%u\n[Templates]\nDefault=%s\n[Folders]\nState=%s\nRun=%s\nRam=%s\n",
        options->target, options->sandboxes ? options->sandboxes : 100,
        options->memory_mib ? options->memory_mib : 4096,
        options->timeout_s ? options->timeout_s : 86400,
        options->default_template ? options->default_template : "minimal", fixture->state,
        fixture->run, fixture->ram);

    write_file(text, fixture->dir, "cloched.conf");
}

/* --- the bus --- */

static void
start_bus(Fixture *fixture)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autofree char *config = g_strdup_printf(bus_config, fixture->dir);
    g_autofree char *option = g_strdup_printf("--config-file=%s/bus.conf", fixture->dir);
    const char *argv[] = {"dbus-daemon", option, "--nofork", "--print-address=1", NULL};
    g_autoptr(GDataInputStream) out = NULL;

    write_file(config, fixture->dir, "bus.conf");
    fixture->bus_daemon = spawn(launcher, argv);
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(fixture->bus_daemon));
    fixture->address = g_data_input_stream_read_line(out, NULL, NULL, NULL);
    g_assert_nonnull(fixture->address);
}

GDBusConnection *
fixture_connect(Fixture *fixture, uid_t uid)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *bus;

    /* The bus takes the effective uid at the moment of connecting for the caller's. */
    g_assert_cmpint(seteuid(uid), ==, 0);
    bus = g_dbus_connection_new_for_address_sync(fixture->address,
                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                 NULL, NULL, &error);
    g_assert_cmpint(seteuid(0), ==, 0);
    prctl(PR_SET_DUMPABLE, 1); /* the leak checker looks at this process */
    g_assert_no_error(error);
    return bus;
}

void
fixture_leave(GDBusConnection *bus)
{
    g_autoptr(GError) error = NULL;

    g_dbus_connection_close_sync(bus, NULL, &error);
    g_assert_no_error(error);
    g_object_unref(bus);
}

/* --- the service --- */

static void
on_name(GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
    *(gboolean *)data = TRUE;
}

void
fixture_start(Fixture *fixture)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_INHERIT);
    const char *argv[] = {g_getenv("CLOCHED_FAKE"), "--config", fixture->config, NULL};
    gboolean is_there = FALSE;
    guint watch;

    g_subprocess_launcher_setenv(launcher, "DBUS_SYSTEM_BUS_ADDRESS", fixture->address, TRUE);
    g_subprocess_launcher_setenv(launcher, "CLOCHE_FAKE_DIR", fixture->control, TRUE);
    g_subprocess_launcher_setenv(launcher, "G_DEBUG", "fatal-criticals", TRUE);
    fixture->service = spawn(launcher, argv);
    watch = g_bus_watch_name_on_connection(
        fixture->bus, "org.cloche1", G_BUS_NAME_WATCHER_FLAGS_NONE, on_name, NULL, &is_there, NULL);
    wait_until(&is_there);
    g_bus_unwatch_name(watch);
}

static void
assert_empty(const char *parent, const char *name)
{
    g_autofree char *path = g_build_filename(parent, name, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    g_assert_nonnull(dir);
    g_assert_cmpstr(g_dir_read_name(dir), ==, NULL);
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

/* A process of which an argument has `word` in it, or 0. */
static pid_t
find_process(const char *word)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename("/proc", name, "cmdline", NULL);
        g_autofree char *words = NULL;
        gsize size;

        if (g_ascii_isdigit(*name) && g_file_get_contents(path, &words, &size, NULL) &&
            memmem(words, size, word, strlen(word)))
            return atoi(name);
    }
    return 0;
}

/* The last folder of all cgroups of the service's machines. */
static char *
cgroup_name(const Fixture *fixture)
{
    return g_strdup_printf("cloche-fake-%s", g_subprocess_get_identifier(fixture->service));
}

pid_t
fixture_find_agent(Fixture *fixture, const char *id)
{
    g_autofree char *name = cgroup_name(fixture);
    g_autofree char *word = g_strdup_printf("%s/cloche-%s", name, id ? id : "");
    pid_t pid = find_process(word);

    g_assert_cmpint(pid, >, 0);
    return pid;
}

void
fixture_stop(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = cgroup_name(fixture);
    g_autofree char *cgroup = g_build_filename(fake_agent_cgroup_root(), name, NULL);

    g_subprocess_send_signal(fixture->service, SIGTERM);
    g_subprocess_wait(fixture->service, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_if_exited(fixture->service));
    g_assert_cmpint(g_subprocess_get_exit_status(fixture->service), ==, 0);
    g_clear_object(&fixture->service);

    g_assert_cmpint(find_process(name), ==, 0);
    g_assert_false(g_file_test(cgroup, G_FILE_TEST_EXISTS));
    assert_empty(fixture->state, "machines");
    assert_empty(fixture->state, "sandboxes");
    assert_empty(fixture->run, "machines");
    assert_empty(fixture->ram, "");
    assert_no_unfinished(fixture);
}

/* --- life --- */

Fixture *
fixture_new(const FixtureOptions *options)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->options = *options;
    fixture->dir = g_dir_make_tmp("cloche-test-XXXXXX", NULL);
    g_assert_nonnull(fixture->dir);
    g_assert_cmpint(chmod(fixture->dir, 0711), ==, 0); /* other users come to the bus */
    fixture->state = g_build_filename(fixture->dir, "state", NULL);
    fixture->run = g_build_filename(fixture->dir, "run", NULL);
    fixture->ram = g_build_filename(fixture->dir, "ram", NULL);
    fixture->control = g_build_filename(fixture->dir, "control", NULL);
    fixture->config = g_build_filename(fixture->dir, "cloched.conf", NULL);
    g_assert_cmpint(g_mkdir(fixture->control, 0755), ==, 0);
    fixture_add_image(fixture, "minimal", "1", NULL);
    if (options->has_python)
        fixture_add_image(fixture, "python", "1", "python");
    if (options->has_other)
        fixture_add_image(fixture, "other", "1", NULL);
    write_config(fixture);
    start_bus(fixture);
    fixture->bus = fixture_connect(fixture, 0);
    fixture_start(fixture);
    return fixture;
}

void
fixture_free(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    if (fixture->service)
        fixture_stop(fixture);
    fixture_leave(fixture->bus);
    g_subprocess_send_signal(fixture->bus_daemon, SIGTERM);
    g_subprocess_wait(fixture->bus_daemon, NULL, NULL);
    g_object_unref(fixture->bus_daemon);
    util_remove_tree(fixture->dir, &error);
    g_assert_no_error(error);
    g_free(fixture->dir);
    g_free(fixture->state);
    g_free(fixture->run);
    g_free(fixture->ram);
    g_free(fixture->control);
    g_free(fixture->config);
    g_free(fixture->address);
    g_free(fixture);
}

/* --- the machines --- */

char *
fixture_add_fifo(Fixture *fixture, const char *name)
{
    char *path = g_build_filename(fixture->dir, name, NULL);

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    return path;
}

void
fixture_set_control(Fixture *fixture, const char *name, const char *text)
{
    write_file(text, fixture->control, name);
}

void
fixture_hold(Fixture *fixture)
{
    g_free(fixture_add_fifo(fixture, "control/hold"));
}

void
fixture_release(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->control, "hold", NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(g_unlink(path), ==, 0);
    /* Kept open until this process ends: a start that found the file a moment ago must not wait for
     * a writer that will never come. */
}
