/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report: what becomes of connections, for those who watch, and for the journal. */
#include "report.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "egress-protocol.h"
#include "report-text.h"

#define JOURNAL_PATH "/run/systemd/journal/socket"
#define MINUTE_US (60 * G_USEC_PER_SEC)

typedef struct {
    int fd; /* -1: none */
    guint dropped;
    GString *rest; /* of a line that was written in part; NULL: nothing */
} Watcher;

struct Report {
    int journal;
    char *id;
    guint32 owner;
    Watcher watchers[EGRESS_WATCHES_MAX];
    gint64 minute_end; /* 0: no line was written yet */
    guint lines, left_out;
};

/* --- life --- */

int
report_open_journal(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_PATH};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

Report *
report_new(int journal_fd)
{
    Report *report = g_new0(Report, 1);

    report->journal = journal_fd;
    report->id = g_strdup("");
    for (guint i = 0; i < EGRESS_WATCHES_MAX; i++)
        report->watchers[i].fd = -1;
    return report;
}

/* cloched may have a copy of the socket. */
static void
end_socket(int fd)
{
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void
close_watcher(Watcher *watcher)
{
    if (watcher->fd >= 0)
        end_socket(watcher->fd);
    if (watcher->rest)
        g_string_free(watcher->rest, TRUE);
    *watcher = (Watcher){.fd = -1};
}

void
report_set_sandbox(Report *report, const char *id, guint32 owner)
{
    g_free(report->id);
    report->id = g_strdup(id);
    report->owner = owner;
}

/* --- watchers --- */

static void
close_those_that_left(Report *report)
{
    for (guint i = 0; i < EGRESS_WATCHES_MAX; i++) {
        Watcher *watcher = &report->watchers[i];

        if (watcher->fd >= 0 && send(watcher->fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
            errno == EPIPE)
            close_watcher(watcher);
    }
}

/* Nothing is read from a watcher: descriptors that it sends would be ours to close. */
gboolean
report_watch(Report *report, int fd)
{
    close_those_that_left(report);
    shutdown(fd, SHUT_RD);
    for (guint i = 0; i < EGRESS_WATCHES_MAX; i++)
        if (report->watchers[i].fd < 0) {
            report->watchers[i].fd = fd;
            return TRUE;
        }
    end_socket(fd);
    return FALSE;
}

/* FALSE: the watcher has not taken all of it. */
static gboolean
write_rest(Watcher *watcher)
{
    gssize size;

    if (!watcher->rest)
        return TRUE;
    size = send(watcher->fd, watcher->rest->str, watcher->rest->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        close_watcher(watcher);
    else if (size > 0)
        g_string_erase(watcher->rest, 0, size);
    if (!watcher->rest || watcher->rest->len > 0)
        return FALSE;
    g_string_free(g_steal_pointer(&watcher->rest), TRUE);
    return TRUE;
}

/* A line is written completely or, after the rest of it, not at all. */
static gboolean
write_line(Watcher *watcher, const char *line, gsize size)
{
    if (!write_rest(watcher) || watcher->fd < 0)
        return FALSE;
    watcher->rest = g_string_new_len(line, (gssize)size);
    write_rest(watcher);
    if (watcher->rest && watcher->rest->len == size)
        g_string_free(g_steal_pointer(&watcher->rest), TRUE);
    else
        return TRUE;
    return FALSE;
}

static void
write_to_watcher(Watcher *watcher, const GString *line)
{
    g_autofree char *dropped =
        g_strdup_printf("{\"event\":\"dropped\",\"count\":%u}\n", watcher->dropped);

    if (watcher->dropped > 0 && write_line(watcher, dropped, strlen(dropped)))
        watcher->dropped = 0;
    if (watcher->dropped > 0 || !write_line(watcher, line->str, line->len))
        watcher->dropped++;
}

static void
tell_watchers(Report *report, const ReportEvent *event)
{
    GString *line = NULL;

    for (guint i = 0; i < EGRESS_WATCHES_MAX; i++) {
        if (report->watchers[i].fd < 0)
            continue;
        if (!line) {
            line = g_string_new(NULL);
            report_text_json(line, event, g_get_real_time());
        }
        write_to_watcher(&report->watchers[i], line);
    }
    if (line)
        g_string_free(line, TRUE);
}

/* --- the journal --- */

/* FALSE: the journal does not take it now. */
static gboolean
write_journal(Report *report, GString *text)
{
    gboolean good = report->journal < 0 ||
                    send(report->journal, text->str, text->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;

    g_string_free(text, TRUE);
    return good;
}

static void
end_minute(Report *report)
{
    GString *text;

    if (report->left_out > 0) {
        text = g_string_new(NULL);
        report_text_left_out(text, report->id, report->owner, report->left_out);
        write_journal(report, text);
    }
    report->lines = report->left_out = 0;
    report->minute_end = 0;
}

gint64
report_expire(Report *report, gint64 now)
{
    if (report->minute_end != 0 && report->minute_end <= now)
        end_minute(report);
    return report->left_out > 0 ? report->minute_end : 0;
}

void
report_event(Report *report, const ReportEvent *event, gint64 now)
{
    GString *text;

    tell_watchers(report, event);
    if (event->kind == REPORT_OPEN)
        return;
    report_expire(report, now);
    if (report->minute_end == 0)
        report->minute_end = now + MINUTE_US;
    if (report->lines == REPORT_JOURNAL_MAX) {
        report->left_out++;
        return;
    }
    report->lines++;
    text = g_string_new(NULL);
    report_text_journal(text, event, report->id, report->owner);
    if (!write_journal(report, text))
        report->left_out++;
}

void
report_free(Report *report)
{
    if (!report)
        return;
    end_minute(report);
    for (guint i = 0; i < EGRESS_WATCHES_MAX; i++)
        close_watcher(&report->watchers[i]);
    if (report->journal >= 0)
        close(report->journal);
    g_free(report->id);
    g_free(report);
}
