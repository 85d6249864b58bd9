/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report: what becomes of connections, for those who watch, and for the journal.
 *
 * Watchers get a line of JSON for each event. The journal gets a line for each connection that has
 * ended or was refused, and for each request that was inspected, at most REPORT_JOURNAL_MAX in a
 * minute; then one that counts those that were left out. The text of a guest is escaped in JSON,
 * and reduced to printable ASCII in the journal. Everything is written without waiting: what a
 * reader does not take is dropped.
 */
#pragma once

#include <glib.h>

#define REPORT_JOURNAL_MAX 60u /* lines in a minute */

#define REPORT_ENDED_ID "0d3f44c684a345f7858f38e16a7caa0a"
#define REPORT_REFUSED_ID "05af87140caa4f6fa6b1e0225134cee3"
#define REPORT_FAILED_ID "28b0832cbe83496abcb57e5e98bbee10"
#define REPORT_REQUEST_ID "13d18e6f20be40fe94a8e495047b13ba"
#define REPORT_LEFT_OUT_ID "c4af2fc2a46d4840983043e9d7d06ca0"
#define REPORT_LOST_ID "e55483c76b2545fdacbd8f81bb07b3d4" /* the master reports it */

typedef enum {
    REPORT_OPEN,    /* the connection was made */
    REPORT_CLOSE,   /* it has ended */
    REPORT_REFUSED, /* by the rules or a limit */
    REPORT_FAILED,  /* by the network or the other side, before it was made */
    REPORT_REQUEST, /* of an inspected connection */
} ReportKind;

/* Texts may be NULL. */
typedef struct {
    ReportKind kind;
    const char *host; /* as the guest has given it */
    guint16 port;
    const char *address, *protocol;
    const char *rule;   /* what decided */
    const char *reason; /* why it was refused, has failed, or was reset */
    const char *sni, *method, *path;
    guint status; /* 0: none */
    guint64 bytes_up, bytes_down, duration_us;
} ReportEvent;

typedef struct Report Report;

/* Takes `journal_fd`, of report_open_journal(), or -1. */
Report *report_new(int journal_fd);
/* Reports what was left out until now. NULL is fine. */
void report_free(Report *report);
/* A datagram socket that is connected to the journal; -1: there is none. */
int report_open_journal(void);

void report_set_sandbox(Report *report, const char *id, guint32 owner);
/* Takes `fd`, a stream socket. FALSE: there are EGRESS_WATCHES_MAX already. */
gboolean report_watch(Report *report, int fd);

/* `now`: microseconds of a monotonic clock. */
void report_event(Report *report, const ReportEvent *event, gint64 now);
/* Ends the minute if it is over. Returns when to call it again, 0: no need. */
gint64 report_expire(Report *report, gint64 now);
