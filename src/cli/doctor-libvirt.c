/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor-libvirt: libvirt's daemon, and the version of QEMU. */
#include "doctor-libvirt.h"

#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"
#define VERSION_MAX 4096
#define VERSION_TIMEOUT_MS 10000
/* The oldest tested version, that of Debian 12. */
#define QEMU_MAJOR 7
#define QEMU_MINOR 2

static const char *const sockets[] = {"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"};

static void
check_listener(const DoctorHost *host, Report *report, const char *path)
{
    int listens = host_listens(host, path);

    if (listens < 0) {
        host_report_unreadable(host, report, "libvirt", HOST_SOCKETS);
    } else if (listens > 0) {
        report_add(report, VERDICT_OK, "libvirt", "listens on %s", path);
    } else {
        report_add(report, VERDICT_PROBLEM, "libvirt", "no process listens on %s", path);
        report_advise(report, "systemctl restart %s",
                      strstr(path, "virtqemud") != NULL ? "virtqemud.socket" : "libvirtd.socket");
    }
}

void
doctor_check_libvirt(const DoctorHost *host, Report *report, const char *state, gboolean is_needed)
{
    if (g_strcmp0(state, "failed") == 0) {
        report_add(report, VERDICT_PROBLEM, "libvirt", "its service has failed");
        report_advise(report, "journalctl -b -u libvirtd -u virtqemud; then: systemctl restart "
                              "libvirtd");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(sockets); i++) {
        if (host_has(host, sockets[i])) {
            check_listener(host, report, sockets[i]);
            return;
        }
    }
    if (!is_needed) {
        report_add(report, VERDICT_OK, "libvirt",
                   "has no daemon here; the service contains libvirt");
        return;
    }
    report_add(report, VERDICT_PROBLEM, "libvirt", "its daemon is not running: %s does not exist",
               sockets[0]);
    report_advise(report, "systemctl start libvirtd.socket; if there is no such unit: apt install "
                          "libvirt-daemon-system");
}

/* --- QEMU --- */

/* Reads at most VERSION_MAX bytes, until the timeout. */
static void
read_output(GSubprocess *process, GString *text)
{
    GInputStream *stream = g_subprocess_get_stdout_pipe(process);
    int fd = g_unix_input_stream_get_fd(G_UNIX_INPUT_STREAM(stream));
    gint64 end = g_get_monotonic_time() + VERSION_TIMEOUT_MS * 1000;
    char block[VERSION_MAX];

    while (text->len < VERSION_MAX) {
        GPollFD poll = {.fd = fd, .events = G_IO_IN};
        gint64 left_ms = (end - g_get_monotonic_time()) / 1000;
        ssize_t n;

        if (left_ms <= 0 || g_poll(&poll, 1, (int)left_ms) <= 0)
            break;
        n = read(fd, block, VERSION_MAX - text->len);
        if (n <= 0)
            break;
        g_string_append_len(text, block, n);
    }
}

static char *
ask_version(const char *program, GError **error)
{
    g_autoptr(GSubprocess) process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, error,
                         program, "--version", NULL);
    GString *text;

    if (process == NULL)
        return NULL;
    text = g_string_new(NULL);
    read_output(process, text);
    g_subprocess_force_exit(process);
    return g_string_free(text, /* free_segment= */ FALSE);
}

static void
judge_version(Report *report, const char *version)
{
    unsigned major, minor;

    if (sscanf(version, "QEMU emulator version %u.%u", &major, &minor) != 2) {
        report_add(report, VERDICT_UNKNOWN, "QEMU", QEMU " does not print its version");
        report_advise(report, QEMU " --version");
    } else if (major < QEMU_MAJOR || (major == QEMU_MAJOR && minor < QEMU_MINOR)) {
        report_add(report, VERDICT_WARNING, "QEMU",
                   "version %u.%u is older than %d.%d, the oldest tested version", major, minor,
                   QEMU_MAJOR, QEMU_MINOR);
        report_advise(report, "update QEMU, for example to that of Debian 12 or newer");
    } else {
        report_add(report, VERDICT_OK, "QEMU", "version %u.%u", major, minor);
    }
}

void
doctor_check_qemu(const DoctorHost *host, Report *report)
{
    g_autofree char *program = host_path(host, QEMU);
    g_autofree char *version = NULL;
    g_autoptr(GError) error = NULL;

    if (!host_has(host, QEMU)) {
        report_add(report, VERDICT_PROBLEM, "QEMU", QEMU " is not installed");
        report_advise(report, "apt install qemu-system-x86");
        return;
    }
    version = ask_version(program, &error);
    if (version != NULL) {
        judge_version(report, version);
        return;
    }
    report_add(report, VERDICT_PROBLEM, "QEMU", "%s", error->message);
    report_advise(report, "apt install --reinstall qemu-system-x86");
}
