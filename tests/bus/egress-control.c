/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* egress-control: starts the fake of cloche-egress, and talks to it. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "fake-egress.h"

static GSubprocess *fake;

static void
on_child(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void
egress_start_fake(Fixture *fixture)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GError) error = NULL;
    char byte;

    g_subprocess_launcher_set_child_setup(launcher, on_child, NULL, NULL);
    /* Without the path in its arguments: it is no machine (fixture_count_processes()). */
    g_subprocess_launcher_set_cwd(launcher, fixture->control);
    fake =
        g_subprocess_launcher_spawn(launcher, &error, g_getenv("FAKE_EGRESS_PROGRAM"), ".", NULL);
    g_assert_no_error(error);
    g_assert_cmpint(g_input_stream_read(g_subprocess_get_stdout_pipe(fake), &byte, 1, NULL, &error),
                    ==, 1);
}

void
egress_kill_fake(void)
{
    g_subprocess_force_exit(fake);
    g_subprocess_wait(fake, NULL, NULL);
    g_clear_object(&fake);
}

void
egress_command(Fixture *fixture, const char *format, ...)
{
    g_autofree char *path = g_build_filename(fixture->control, "egress.control", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    va_list args;
    char byte;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, strlen(text));
    g_assert_cmpint(recv(fd, &byte, 1, 0), ==, 1);
    close(fd);
}

static guint
count(Fixture *fixture, const char *start, gboolean whole)
{
    g_autofree char *path = g_build_filename(fixture->control, "egress.log", NULL), *log = NULL;
    g_auto(GStrv) lines = NULL;
    guint n = 0;

    if (!g_file_get_contents(path, &log, NULL, NULL))
        return 0;
    lines = g_strsplit(log, "\n", -1);
    for (char **line = lines; *line; line++)
        n += whole ? g_str_equal(*line, start) : g_str_has_prefix(*line, start);
    return n;
}

guint
egress_count(Fixture *fixture, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return count(fixture, text, FALSE);
}

/* Nothing reports a new line. */
void
egress_wait_for(Fixture *fixture, guint wanted, const char *format, ...)
{
    gint64 end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    while (count(fixture, text, TRUE) < wanted) {
        if (g_get_monotonic_time() > end)
            g_error("cloche-egress was not asked: %s", text);
        run_loop_for(10);
    }
    g_assert_cmpuint(count(fixture, text, TRUE), ==, wanted);
}

void
egress_forget_log(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->control, "egress.log", NULL);

    g_assert_cmpint(truncate(path, 0), ==, 0);
}
