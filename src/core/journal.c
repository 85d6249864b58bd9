/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* journal: GLib's structured log, which writes to the journal, or as a plain line elsewhere. */
#include "journal.h"

#include "journal-budget.h"
#include "network.h"

#define NUMBER_SIZE 24

typedef struct {
    const char *key, *value;
} Extra;

/* --- lines that are left out --- */

static JournalBudget *budget; /* NULL: no line was written yet */

static void
report_left_out(guint32 owner, guint left_out)
{
    char uid[NUMBER_SIZE];

    g_snprintf(uid, sizeof uid, "%u", owner);
    g_log_structured("cloche", G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", JOURNAL_LEFT_OUT, "OWNER_UID",
                     uid, "MESSAGE", "%u messages about uid %s were left out in a minute", left_out,
                     uid);
}

static gboolean
may_write(guint32 owner, JournalKind kind)
{
    static const JournalLimits limits = {
        .window_ms = 60 * 1000,
        .lines = {[JOURNAL_LIFE] = JOURNAL_LIFE_MAX, [JOURNAL_OTHER] = JOURNAL_OTHER_MAX},
        .report = report_left_out,
    };

    if (!budget)
        budget = journal_budget_new(&limits);
    return journal_budget_take(budget, owner, kind);
}

void
journal_flush(void)
{
    g_clear_pointer(&budget, journal_budget_free);
}

/* --- lines --- */

static JournalKind
kind_of(const char *message_id)
{
    return g_str_equal(message_id, JOURNAL_EXTENDED) || g_str_equal(message_id, JOURNAL_STALLED) ||
                   g_str_equal(message_id, JOURNAL_RESUMED) ||
                   g_str_equal(message_id, JOURNAL_PAUSED) ||
                   g_str_equal(message_id, JOURNAL_CONTINUED) ||
                   g_str_equal(message_id, JOURNAL_NETWORK_SET) ||
                   g_str_equal(message_id, JOURNAL_NETWORK_LOST)
               ? JOURNAL_OTHER
               : JOURNAL_LIFE;
}

static void tell(const Sandbox *sandbox, GLogLevelFlags level, const char *message_id,
                 const Extra *extra, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* `extra`: one more field, or NULL. */
static void
tell(const Sandbox *sandbox, GLogLevelFlags level, const char *message_id, const Extra *extra,
     const char *format, ...)
{
    char owner[NUMBER_SIZE];
    g_autofree char *message = NULL;
    va_list ap;

    if (!may_write(sandbox->owner, kind_of(message_id)))
        return;
    va_start(ap, format);
    message = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_snprintf(owner, sizeof owner, "%u", sandbox->owner);

    const GLogField fields[] = {
        {"MESSAGE", message, -1},
        {"PRIORITY", level == G_LOG_LEVEL_WARNING ? "4" : "5", -1},
        {"GLIB_DOMAIN", "cloche", -1},
        {"MESSAGE_ID", message_id, -1},
        {"SANDBOX_ID", sandbox->id, -1},
        {"OWNER_UID", owner, -1},
        {"TEMPLATE", sandbox->template, -1},
        {extra ? extra->key : "", extra ? extra->value : "", -1},
    };
    g_log_structured_array(level, fields, G_N_ELEMENTS(fields) - (extra ? 0 : 1));
}

void
journal_created(const Sandbox *sandbox)
{
    char machine_uid[NUMBER_SIZE];
    const Extra extra = {"MACHINE_UID", machine_uid};

    g_snprintf(machine_uid, sizeof machine_uid, "%u", instance_uid(sandbox->instance));
    tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_CREATED, &extra,
         "Sandbox %s of uid %u was created, template %s", sandbox->id, sandbox->owner,
         sandbox->template);
}

void
journal_adopted(const Sandbox *sandbox)
{
    tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_ADOPTED, NULL,
         "Sandbox %s of uid %u was found again and %s", sandbox->id, sandbox->owner,
         sandbox->state == SANDBOX_PAUSED ? "stays paused" : "continues");
}

void
journal_extended(const Sandbox *sandbox, guint64 timeout_s)
{
    char seconds[NUMBER_SIZE];
    const Extra extra = {"TIMEOUT_SEC", seconds};

    g_snprintf(seconds, sizeof seconds, "%" G_GUINT64_FORMAT, timeout_s);
    tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_EXTENDED, &extra,
         "Sandbox %s of uid %u ends in %s seconds", sandbox->id, sandbox->owner, seconds);
}

void
journal_left(const Sandbox *sandbox)
{
    tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_LEFT, NULL,
         "Sandbox %s of uid %u continues without the service", sandbox->id, sandbox->owner);
}

void
journal_paused(const Sandbox *sandbox, gboolean is_paused)
{
    if (is_paused)
        tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_PAUSED, NULL, "Sandbox %s of uid %u was paused",
             sandbox->id, sandbox->owner);
    else
        tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_CONTINUED, NULL,
             "Sandbox %s of uid %u was resumed", sandbox->id, sandbox->owner);
}

void
journal_stalled(const Sandbox *sandbox, gboolean is_stalled)
{
    if (is_stalled)
        tell(sandbox, G_LOG_LEVEL_WARNING, JOURNAL_STALLED, NULL,
             "Sandbox %s of uid %u is paused: this host has no disk space for it", sandbox->id,
             sandbox->owner);
    else
        tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_RESUMED, NULL,
             "Sandbox %s of uid %u continues: there is space on the disk again", sandbox->id,
             sandbox->owner);
}

void
journal_disk_held(guint32 owner, gboolean is_held, guint64 used, guint64 left)
{
    g_autofree char *taken = g_format_size(used), *free_space = g_format_size(left);
    char uid[NUMBER_SIZE];

    g_snprintf(uid, sizeof uid, "%u", owner);
    g_log_structured("cloche", is_held ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, "MESSAGE_ID",
                     is_held ? JOURNAL_DISK_HELD : JOURNAL_DISK_RELEASED, "OWNER_UID", uid,
                     "MESSAGE", "The sandboxes of uid %s %s: their disks take %s, %s are free", uid,
                     is_held ? "stop" : "may continue", taken, free_space);
}

void
journal_ended(const Sandbox *sandbox, const char *detail)
{
    const Extra extra = {"REASON", end_reason_name(sandbox->end_reason)};

    tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_ENDED, &extra,
         "Sandbox %s of uid %u has ended: %s%s%s", sandbox->id, sandbox->owner, extra.value,
         detail ? ": " : "", detail ? detail : "");
}

void
journal_claim_lost(const Sandbox *sandbox, const char *why)
{
    tell(sandbox, G_LOG_LEVEL_WARNING, JOURNAL_CLAIM_LOST, NULL,
         "Machine %s could not be claimed for uid %u: %s", sandbox->id, sandbox->owner, why);
}

void
journal_network_set(const Sandbox *sandbox)
{
    const NetPolicy *policy = network_policy(sandbox->network);
    const Extra extra = {"NETWORK", net_mode_name(policy->mode)};

    tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_NETWORK_SET, &extra,
         "The network of sandbox %s of uid %u has the mode %s", sandbox->id, sandbox->owner,
         extra.value);
}

void
journal_network_lost(const Sandbox *sandbox, const char *why)
{
    tell(sandbox, G_LOG_LEVEL_WARNING, JOURNAL_NETWORK_LOST, NULL,
         "The network of sandbox %s of uid %u is closed: %s", sandbox->id, sandbox->owner, why);
}

static void
tell_snapshot(const Snapshot *snapshot, const char *message_id, const char *what)
{
    char owner[NUMBER_SIZE];

    if (!may_write(snapshot->owner, JOURNAL_LIFE))
        return;
    g_snprintf(owner, sizeof owner, "%u", snapshot->owner);
    g_log_structured("cloche", G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", message_id, "SNAPSHOT_ID",
                     snapshot->id, "SANDBOX_ID", snapshot->sandbox, "OWNER_UID", owner, "TEMPLATE",
                     snapshot->template, "MESSAGE", "Snapshot %s of sandbox %s of uid %s %s",
                     snapshot->id, snapshot->sandbox, owner, what);
}

void
journal_snapshot_taken(const Snapshot *snapshot)
{
    tell_snapshot(snapshot, JOURNAL_SNAPSHOT_TAKEN, "was taken");
}

void
journal_snapshot_removed(const Snapshot *snapshot)
{
    tell_snapshot(snapshot, JOURNAL_SNAPSHOT_REMOVED, "was removed");
}

void
journal_refused(guint32 owner, const char *why)
{
    char uid[NUMBER_SIZE];

    if (!may_write(owner, JOURNAL_OTHER))
        return;
    g_snprintf(uid, sizeof uid, "%u", owner);
    g_log_structured("cloche", G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", JOURNAL_REFUSED, "OWNER_UID", uid,
                     "MESSAGE", "%s", why);
}
