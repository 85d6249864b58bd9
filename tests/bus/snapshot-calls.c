/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-calls: short functions for tests of snapshots. */
#include "snapshot-calls.h"

#define WAIT_US (30 * G_USEC_PER_SEC)
#define POLL_US (10 * 1000)

static char *
text_of(GVariant *answer)
{
    char *text;

    g_variant_get_child(answer, 0, g_variant_is_of_type(answer, G_VARIANT_TYPE("(o)")) ? "o" : "s",
                        &text);
    g_variant_unref(answer);
    return text;
}

char *
snapshot_take(GDBusConnection *bus, const char *sandbox)
{
    return text_of(call(bus, sandbox, "Snapshot", NO_OPTIONS));
}

char *
snapshot_create(GDBusConnection *bus, const char *id)
{
    return text_of(call(bus, MANAGER, "CreateSandbox", "({'snapshot': <%s>},)", id));
}

void
snapshot_remove(GDBusConnection *bus, const char *id)
{
    g_variant_unref(call(bus, MANAGER, "RemoveSnapshot", "(%s,)", id));
}

GVariant *
snapshot_find(GDBusConnection *bus, const char *filter, const char *id)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "ListSnapshots", filter);
    g_autoptr(GVariant) list = g_variant_get_child_value(answer, 0);

    for (gsize i = 0; i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(list, i);
        g_autofree char *found = dict_string(entry, "id");

        if (g_str_equal(found, id))
            return g_steal_pointer(&entry);
    }
    return NULL;
}

char *
snapshot_used(GDBusConnection *bus)
{
    g_autoptr(GVariant) answer = call(bus, MANAGER, "GetQuota", "()");
    g_autoptr(GVariant) own = g_variant_get_child_value(answer, 0);
    guint64 count, mib, limit;

    g_assert_true(g_variant_lookup(own, "snapshots", "(tt)", &count, &limit));
    g_assert_true(g_variant_lookup(own, "snapshot-mib", "(tt)", &mib, &limit));
    return g_strdup_printf("%" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " MiB", count, mib);
}

/* Nothing reports the removal of files. */
void
snapshot_wait_for_folders(Fixture *fixture, guint count)
{
    gint64 end_us = g_get_monotonic_time() + WAIT_US;

    while (fixture_count_files(fixture, fixture->state, "snapshots") != count) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(POLL_US);
    }
}

char *
snapshot_part(const Fixture *fixture, const char *id, const char *part)
{
    return g_build_filename(fixture->state, "snapshots", id, part, NULL);
}
