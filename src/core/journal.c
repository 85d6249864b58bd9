/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* journal: GLib's structured log, which writes to the journal, or as a plain line elsewhere. */
#include "journal.h"

#define NUMBER_SIZE 24

typedef struct {
    const char *key, *value;
} Extra;

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
         "Sandbox %s of uid %u was found again and continues", sandbox->id, sandbox->owner);
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
journal_stalled(const Sandbox *sandbox, gboolean is_stalled)
{
    if (is_stalled)
        tell(sandbox, G_LOG_LEVEL_WARNING, JOURNAL_STALLED, NULL,
             "Sandbox %s of uid %u is paused: the disk of this machine is full", sandbox->id,
             sandbox->owner);
    else
        tell(sandbox, G_LOG_LEVEL_MESSAGE, JOURNAL_RESUMED, NULL,
             "Sandbox %s of uid %u continues: there is space on the disk again", sandbox->id,
             sandbox->owner);
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
journal_refused(guint32 owner, const char *why)
{
    char uid[NUMBER_SIZE];

    g_snprintf(uid, sizeof uid, "%u", owner);
    g_log_structured("cloche", G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", JOURNAL_REFUSED, "OWNER_UID", uid,
                     "MESSAGE", "%s", why);
}
