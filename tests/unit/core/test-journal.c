/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-journal: each event has its line, its fields and an entry in the catalog, and no text from
 * users. */
#include <string.h>

#include "instance-private.h"
#include "journal-budget.h"
#include "journal.h"
#include "network-private.h"
#include "report.h"

#define ID "abcdefghijklmnop"

static const char *catalog_path;

/* Fields of the last line, which the replacement of GLib's writer stores. */
static GHashTable *last;
static GLogLevelFlags last_level;

static GLogWriterOutput
keep_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    last_level = level;
    g_hash_table_remove_all(last);
    for (gsize i = 0; i < n_fields; i++)
        if (fields[i].length < 0)
            g_hash_table_insert(last, g_strdup(fields[i].key), g_strdup(fields[i].value));
    return G_LOG_WRITER_HANDLED;
}

static void
assert_field(const char *key, const char *expected)
{
    g_assert_cmpstr(g_hash_table_lookup(last, key), ==, expected);
}

/* Checks the fields that each line about a sandbox has. */
static void
assert_line(const char *message_id, const char *message)
{
    assert_field("MESSAGE_ID", message_id);
    assert_field("MESSAGE", message);
    assert_field("SANDBOX_ID", ID);
    assert_field("OWNER_UID", "1000");
    assert_field("TEMPLATE", "python");
    assert_field("GLIB_DOMAIN", "cloche");
}

static Sandbox
example(void)
{
    static char *metadata[] = {(char *)"secret-key", (char *)"secret-value", NULL};

    return (Sandbox){
        .id = (char *)ID,
        .name = (char *)"secret-name",
        .template = (char *)"python",
        .owner = 1000,
        .metadata = metadata,
        .idempotency_key = (char *)"secret-token",
        .request_digest = (char *)"secret-digest",
    };
}

static void
ignore(gpointer data)
{
}

static void
test_created(void)
{
    const Store store = {.state = (char *)"/nowhere", .run = (char *)"/nowhere", .gid = 4};
    g_autoptr(Template) template = template_new("python");
    Sandbox sandbox = example();
    Host host;
    MachineUser user;

    host_init(&host, NULL, &store, 1900000000, 16);
    host.on_change = ignore;
    user = host_keep_user(&host, 1900000005);
    sandbox.instance = instance_new(&host, ID, &user, template);
    journal_created(&sandbox);
    assert_line(JOURNAL_CREATED, "Sandbox " ID " of uid 1000 was created, template python");
    assert_field("MACHINE_UID", "1900000005");
    assert_field("PRIORITY", "5");
    instance_leave(sandbox.instance);
    host_clear(&host);
}

static void
test_life(void)
{
    const Sandbox sandbox = example();

    journal_adopted(&sandbox);
    assert_line(JOURNAL_ADOPTED, "Sandbox " ID " of uid 1000 was found again and continues");
    journal_extended(&sandbox, 3600);
    assert_line(JOURNAL_EXTENDED, "Sandbox " ID " of uid 1000 ends in 3600 seconds");
    assert_field("TIMEOUT_SEC", "3600");
    journal_left(&sandbox);
    assert_line(JOURNAL_LEFT, "Sandbox " ID " of uid 1000 continues without the service");
    assert_field("TIMEOUT_SEC", NULL);
}

static void
test_stalled(void)
{
    const Sandbox sandbox = example();

    journal_stalled(&sandbox, TRUE);
    assert_line(JOURNAL_STALLED,
                "Sandbox " ID " of uid 1000 is paused: this host has no disk space for it");
    assert_field("PRIORITY", "4");
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_WARNING);
    journal_stalled(&sandbox, FALSE);
    assert_line(JOURNAL_RESUMED,
                "Sandbox " ID " of uid 1000 continues: there is space on the disk again");
    assert_field("PRIORITY", "5");
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_MESSAGE);
}

static void
test_paused(void)
{
    Sandbox sandbox = example();

    sandbox.state = SANDBOX_PAUSED;
    journal_adopted(&sandbox);
    assert_line(JOURNAL_ADOPTED, "Sandbox " ID " of uid 1000 was found again and stays paused");
    journal_paused(&sandbox, TRUE);
    assert_line(JOURNAL_PAUSED, "Sandbox " ID " of uid 1000 was paused");
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_MESSAGE);
    journal_paused(&sandbox, FALSE);
    assert_line(JOURNAL_CONTINUED, "Sandbox " ID " of uid 1000 was resumed");
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_MESSAGE);
}

static void
test_disk_held(void)
{
    journal_disk_held(1000, TRUE, 5000000000, 1000000);
    assert_field("MESSAGE_ID", JOURNAL_DISK_HELD);
    assert_field("OWNER_UID", "1000");
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_WARNING);
    g_assert_true(g_str_has_prefix(g_hash_table_lookup(last, "MESSAGE"),
                                   "The sandboxes of uid 1000 stop: their disks take 5.0"));
    journal_disk_held(1000, FALSE, 0, 1000000);
    assert_field("MESSAGE_ID", JOURNAL_DISK_RELEASED);
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_MESSAGE);
}

/* The line has the API's name of the reason, followed by the detail. */
static void
test_ended(void)
{
    for (EndReason reason = END_KILLED; reason < _END_MAX; reason++) {
        g_autofree char *message =
            g_strdup_printf("Sandbox " ID " of uid 1000 has ended: %s", end_reason_name(reason));
        Sandbox sandbox = example();

        sandbox.end_reason = reason;
        journal_ended(&sandbox, /* detail= */ NULL);
        assert_line(JOURNAL_ENDED, message);
        assert_field("REASON", end_reason_name(reason));
    }

    Sandbox sandbox = example();
    sandbox.end_reason = END_MACHINE_LOST;
    journal_ended(&sandbox, "the host was rebooted");
    assert_line(JOURNAL_ENDED,
                "Sandbox " ID " of uid 1000 has ended: machine-lost: the host was rebooted");
    assert_field("REASON", "machine-lost");
}

static void
test_claim_lost(void)
{
    const Sandbox sandbox = example();

    journal_claim_lost(&sandbox, "100 % lost");
    assert_line(JOURNAL_CLAIM_LOST, "Machine " ID " could not be claimed for uid 1000: 100 % lost");
    assert_field("PRIORITY", "4");
}

static void
test_network(void)
{
    NetPolicy policy = {.mode = NET_RESTRICTED};
    Network network = {.policy = &policy};
    Sandbox sandbox = example();

    sandbox.network = &network;
    journal_network_set(&sandbox);
    assert_line(JOURNAL_NETWORK_SET,
                "The network of sandbox " ID " of uid 1000 has the mode restricted");
    assert_field("NETWORK", "restricted");
    journal_network_lost(&sandbox, "100 %s");
    assert_line(JOURNAL_NETWORK_LOST,
                "The network of sandbox " ID " of uid 1000 is closed: 100 %s");
    g_assert_cmpint(last_level, ==, G_LOG_LEVEL_WARNING);
}

static void
test_snapshots(void)
{
    const Snapshot snapshot = {
        .id = (char *)"snapshotsnapshot",
        .name = (char *)"secret-name",
        .description = (char *)"secret-text",
        .sandbox = (char *)ID,
        .template = (char *)"python",
        .owner = 1000,
    };

    journal_snapshot_taken(&snapshot);
    assert_field("MESSAGE_ID", JOURNAL_SNAPSHOT_TAKEN);
    assert_field("MESSAGE", "Snapshot snapshotsnapshot of sandbox " ID " of uid 1000 was taken");
    assert_field("SNAPSHOT_ID", "snapshotsnapshot");
    assert_field("SANDBOX_ID", ID);
    assert_field("OWNER_UID", "1000");
    journal_snapshot_removed(&snapshot);
    assert_field("MESSAGE_ID", JOURNAL_SNAPSHOT_REMOVED);
    assert_field("MESSAGE", "Snapshot snapshotsnapshot of sandbox " ID " of uid 1000 was removed");
}

/* A refusal concerns a user and no sandbox. The user's text in it is not used as a format. */
static void
test_refused(void)
{
    journal_refused(G_MAXUINT32, "100 %s of memory-mib");
    assert_field("MESSAGE_ID", JOURNAL_REFUSED);
    assert_field("MESSAGE", "100 %s of memory-mib");
    assert_field("OWNER_UID", "4294967295");
    assert_field("SANDBOX_ID", NULL);
}

static guint counted;

static GLogWriterOutput
count_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    counted++;
    return keep_line(level, fields, n_fields, data);
}

/* A user causes so many lines of a kind, and nobody else is affected. */
static void
test_left_out(void)
{
    const Sandbox sandbox = example();

    journal_flush();
    counted = 0;
    for (guint i = 0; i < 1000; i++)
        journal_extended(&sandbox, 60);
    for (guint i = 0; i < 7; i++)
        journal_refused(1000, "a limit");
    g_assert_cmpuint(counted, ==, JOURNAL_OTHER_MAX);
    journal_refused(1001, "a limit");
    g_assert_cmpuint(counted, ==, JOURNAL_OTHER_MAX + 1);
    journal_adopted(&sandbox); /* another kind */
    g_assert_cmpuint(counted, ==, JOURNAL_OTHER_MAX + 2);
    journal_flush();
    g_assert_cmpuint(counted, ==, JOURNAL_OTHER_MAX + 3);
    assert_field("MESSAGE_ID", JOURNAL_LEFT_OUT);
    assert_field("OWNER_UID", "1000");
    assert_field("MESSAGE", "947 messages about uid 1000 were left out in a minute");
}

static guint reported;

static void
on_report(guint32 owner, guint left_out)
{
    g_assert_cmpuint(owner, ==, 7);
    reported = left_out;
}

/* At the end of the window, without another line; then lines are written again. */
static void
test_window(void)
{
    const JournalLimits limits = {
        .window_ms = 50, .lines = {[JOURNAL_OTHER] = 2}, .report = on_report};
    JournalBudget *budget = journal_budget_new(&limits);

    for (guint i = 0; i < 5; i++)
        g_assert_cmpint(journal_budget_take(budget, 7, JOURNAL_OTHER), ==, i < 2);
    while (reported == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(reported, ==, 3);
    reported = 0;
    g_assert_true(journal_budget_take(budget, 7, JOURNAL_OTHER));
    journal_budget_free(budget);
    g_assert_cmpuint(reported, ==, 0);
}

static void
test_nothing_of_users(void)
{
    const Sandbox sandbox = example();
    void (*const events[])(const Sandbox *) = {journal_adopted, journal_left};
    GHashTableIter iter;
    gpointer value;

    for (gsize i = 0; i < G_N_ELEMENTS(events) + 1; i++) {
        if (i < G_N_ELEMENTS(events))
            events[i](&sandbox);
        else
            journal_ended(&sandbox, NULL);
        g_hash_table_iter_init(&iter, last);
        while (g_hash_table_iter_next(&iter, NULL, &value))
            g_assert_null(strstr(value, "secret"));
    }
}

/* Every id has systemd's form and is unique, and the catalog explains exactly these ids. */
static void
test_catalog(void)
{
    static const char *const ids[] = {
        JOURNAL_SNAPSHOT_TAKEN, JOURNAL_SNAPSHOT_REMOVED,
        JOURNAL_CREATED,        JOURNAL_EXTENDED,
        JOURNAL_ENDED,          JOURNAL_ADOPTED,
        JOURNAL_PAUSED,         JOURNAL_CONTINUED,
        JOURNAL_LEFT,           JOURNAL_STALLED,
        JOURNAL_RESUMED,        JOURNAL_REFUSED,
        JOURNAL_CLAIM_LOST,     JOURNAL_DISK_HELD,
        JOURNAL_DISK_RELEASED,  JOURNAL_LEFT_OUT,
        REPORT_ENDED_ID,        REPORT_REFUSED_ID,
        REPORT_FAILED_ID,       REPORT_REQUEST_ID,
        REPORT_LEFT_OUT_ID,     REPORT_LOST_ID,
        JOURNAL_NETWORK_SET,    JOURNAL_NETWORK_LOST,
    };
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_assert_cmpuint(strlen(ids[i]), ==, 32);
        g_assert_cmpuint(strspn(ids[i], "0123456789abcdef"), ==, 32);
        g_assert_true(g_hash_table_add(known, (gpointer)ids[i]));
    }
    g_assert_true(g_file_get_contents(catalog_path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "-- ") && !g_hash_table_remove(known, *line + 3))
            g_error("the catalog has the unknown id %s, or has an id twice", *line + 3);
    g_assert_cmpuint(g_hash_table_size(known), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 2);
    catalog_path = argv[1];
    last = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_log_set_writer_func(count_line, NULL, NULL);
    g_test_add_func("/journal/created", test_created);
    g_test_add_func("/journal/life", test_life);
    g_test_add_func("/journal/stalled", test_stalled);
    g_test_add_func("/journal/paused", test_paused);
    g_test_add_func("/journal/disk-held", test_disk_held);
    g_test_add_func("/journal/network", test_network);
    g_test_add_func("/journal/snapshots", test_snapshots);
    g_test_add_func("/journal/ended", test_ended);
    g_test_add_func("/journal/claim-lost", test_claim_lost);
    g_test_add_func("/journal/refused", test_refused);
    g_test_add_func("/journal/left-out", test_left_out);
    g_test_add_func("/journal/window", test_window);
    g_test_add_func("/journal/nothing-of-users", test_nothing_of_users);
    g_test_add_func("/journal/catalog", test_catalog);
    return g_test_run();
}
