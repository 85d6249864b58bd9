/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fixture-machines: how a test controls machines, by the files of fake-record.h and vm-fake.h. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake-record.h"
#include "fixture-private.h"

#define WAIT_MS 30000

void
fixture_open_machines(Fixture *fixture)
{
    g_autofree char *records = g_build_filename(fixture->control, "machines", NULL);
    g_autofree char *test = g_build_filename(fixture->control, "test", NULL);

    g_assert_cmpint(g_mkdir(fixture->control, 0755), ==, 0);
    g_assert_cmpint(g_mkdir(records, 0755), ==, 0);
    g_assert_cmpint(mkfifo(test, 0600), ==, 0);
    fixture->alive = open(test, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fixture->alive, >=, 0);
}

/* --- one machine --- */

/* Returns the machine's name; that of any machine if `id` is NULL. */
static char *
name_of(const Fixture *fixture, const char *id)
{
    g_auto(GStrv) names = NULL;

    if (id)
        return g_strconcat("cloche-", id, NULL);
    names = fake_record_names(fixture->control);
    g_assert_nonnull(names[0]);
    return g_strdup(names[0]);
}

pid_t
fixture_find_machine(Fixture *fixture, const char *id)
{
    g_autofree char *name = name_of(fixture, id);
    g_autofree char *text = fake_record_read(fixture->control, name, "");

    g_assert_nonnull(text);
    return atoi(text);
}

char *
fixture_find_other(Fixture *fixture, const char *id)
{
    g_autofree char *name = name_of(fixture, id);
    g_auto(GStrv) names = fake_record_names(fixture->control);

    for (char **other = names; *other; other++)
        if (!g_str_equal(*other, name))
            return g_strdup(*other + strlen("cloche-"));
    g_error("there is no other machine");
}

guint32
fixture_find_uid(Fixture *fixture, const char *id)
{
    g_autofree char *name = name_of(fixture, id);
    g_autofree char *text = fake_record_read(fixture->control, name, "");
    guint pid, uid;

    g_assert_nonnull(text);
    g_assert_cmpint(sscanf(text, "%u %u", &pid, &uid), ==, 2);
    return uid;
}

/* Only the agent is in the machine's cgroup; its processes are in cgroups below. */
pid_t
fixture_find_agent(Fixture *fixture, const char *id)
{
    g_autofree char *name = name_of(fixture, id);
    g_autofree char *cgroup = fake_record_cgroup(fixture->control, name);
    g_autofree char *path = g_build_filename(cgroup, "cgroup.procs", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(atoi(text), >, 0);
    return atoi(text);
}

void
fixture_freeze(Fixture *fixture, const char *id, gboolean is_frozen)
{
    g_autofree char *name = name_of(fixture, id);
    g_autofree char *cgroup = fake_record_cgroup(fixture->control, name);
    g_autofree char *path = g_build_filename(cgroup, "cgroup.freeze", NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(write(fd, is_frozen ? "1" : "0", 1), ==, 1);
    close(fd);
}

void
fixture_set_state(Fixture *fixture, const char *id, const char *state)
{
    g_autofree char *name = name_of(fixture, id);

    fake_record_write(fixture->control, name, FAKE_STATE, state);
}

void
fixture_stall(Fixture *fixture, const char *id, gboolean is_stalled)
{
    fixture_freeze(fixture, id, is_stalled);
    fixture_set_state(fixture, id, is_stalled ? "stalled" : "running");
}

/* --- all of them --- */

/* Files that are being written have a dot in their name. */
static guint
count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    guint count = 0;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)))
        count += !strchr(name, '.');
    return count;
}

static void
wait_for_entries(const char *parent, const char *folder, guint count)
{
    g_autofree char *path = g_build_filename(parent, folder, NULL);
    int fd = inotify_init1(IN_CLOEXEC);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char events[4096];

    g_assert_cmpint(inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO | IN_DELETE), >=, 0);
    while (count_entries(path) != count) {
        if (poll(&wait, 1, WAIT_MS) != 1)
            g_error("%s has %u entries, not %u", path, count_entries(path), count);
        g_assert_cmpint(read(fd, events, sizeof events), >, 0);
    }
    close(fd);
}

void
fixture_wait_for_machines(Fixture *fixture, guint count)
{
    wait_for_entries(fixture->control, "machines", count);
}

void
fixture_wait_for_records(Fixture *fixture, guint count)
{
    wait_for_entries(fixture->state, "sandboxes", count);
}

void
fixture_wait_for_counts(Fixture *fixture, guint machines)
{
    wait_for_entries(fixture->control, "machines", machines);
    wait_for_entries(fixture->state, "machines", machines);
    wait_for_entries(fixture->run, "machines", machines);
    fixture_assert_counts(fixture, machines);
}

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
    g_autofree char *path = g_build_filename(fixture->control, name, NULL);

    if (text)
        fixture_write_file(fixture->control, name, text);
    else
        g_assert_cmpint(g_unlink(path), ==, 0);
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
