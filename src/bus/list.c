/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list: ListSandboxes, with its filter and pages. */
#include "error.h"
#include "handlers.h"
#include "message.h"
#include "reply.h"

#define PAGE_SIZE_MAX (1024u * 1024) /* bytes; a sandbox has less than a third of it */
#define LIMIT_DEFAULT 100u
#define LIMIT_MAX 1000u

const Option manager_list_sandboxes_options[] = {
    {"state", "s"}, {"template", "s"}, {"metadata", "a{ss}"}, {"all-users", "b"},
    {"limit", "u"}, {"after", "s"},    {NULL, NULL},
};

typedef struct {
    const Viewer *viewer;
    gboolean all_users;
    const char *state, *template; /* NULL: any */
    char **metadata;              /* key, value, …: a sandbox must have all of them */
    guint32 limit;
    gint64 after; /* born_us of the last sandbox of the previous page */
} Filter;

static void
filter_clear(Filter *filter)
{
    g_strfreev(filter->metadata);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Filter, filter_clear)

static gboolean
unpack_after(GVariant *options, gint64 *ret_born_us, GError **error)
{
    const char *after = "";

    g_variant_lookup(options, "after", "&s", &after);
    if (*after == '\0' ||
        g_ascii_string_to_signed(after, 10, 0, G_MAXINT64, ret_born_us, /* error= */ NULL))
        return TRUE;
    g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                        "after: it must be the value of 'next' from a previous call");
    return FALSE;
}

static gboolean
unpack_filter(GVariant *options, Filter *filter, GError **error)
{
    g_variant_lookup(options, "state", "&s", &filter->state);
    g_variant_lookup(options, "template", "&s", &filter->template);
    g_variant_lookup(options, "limit", "u", &filter->limit);
    filter->metadata = options_metadata(options, "metadata", error);
    if (!filter->metadata || !unpack_after(options, &filter->after, error))
        return FALSE;
    if (filter->state && !g_str_equal(filter->state, "running") &&
        !g_str_equal(filter->state, "paused")) {
        g_set_error_literal(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                            "state: it must be 'running' or 'paused'");
        return FALSE;
    }
    if (filter->limit < 1 || filter->limit > LIMIT_MAX) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "limit: it must be 1 to %u, not %u", LIMIT_MAX, filter->limit);
        return FALSE;
    }
    return TRUE;
}

gboolean
manager_unpack_list(Call *call, GError **error)
{
    g_variant_lookup(call->options, "all-users", "b", &call->lists_all_users);
    return TRUE;
}

static gboolean
matches(const Filter *filter, const Sandbox *sandbox)
{
    gboolean visible = filter->all_users ? core_may_see(filter->viewer, sandbox->owner)
                                         : filter->viewer->uid == sandbox->owner;

    if (!visible || sandbox->born_us <= filter->after)
        return FALSE;
    if (filter->state && !g_str_equal(filter->state, sandbox_state_name(sandbox->state)))
        return FALSE;
    if (filter->template && !g_str_equal(filter->template, sandbox->template))
        return FALSE;
    for (char **entry = filter->metadata; *entry; entry += 2)
        if (g_strcmp0(sandbox_metadata(sandbox, entry[0]), entry[1]) != 0)
            return FALSE;
    return TRUE;
}

void
manager_list_sandboxes(Call *call, GVariant *parameters)
{
    g_auto(Filter) filter = {
        .viewer = &call->viewer,
        .all_users = call->lists_all_users,
        .limit = LIMIT_DEFAULT,
    };
    g_autoptr(GPtrArray) all = core_list(call->core);
    g_autofree char *next = NULL;
    MessageRoom room = {PAGE_SIZE_MAX};
    GError *error = NULL;
    GVariantBuilder list;
    guint count = 0;
    gint64 last = 0;

    if (!unpack_filter(call->options, &filter, &error)) {
        call_fail(call, error);
        return;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("a(oa{sv})"));
    for (guint i = 0; i < all->len && !next; i++) {
        const Sandbox *sandbox = all->pdata[i];
        g_autofree char *path = reply_path(sandbox->id);
        g_autoptr(GVariant) properties = NULL;

        if (!matches(&filter, sandbox))
            continue;
        properties = g_variant_ref_sink(reply_sandbox(sandbox));
        if (count++ == filter.limit || !message_room_take(&room, properties)) {
            next = g_strdup_printf("%" G_GINT64_FORMAT, last);
            continue;
        }
        last = sandbox->born_us;
        g_variant_builder_add(&list, "(o@a{sv})", path, properties);
    }
    call_answer(call, g_variant_new("(a(oa{sv})s)", &list, next ? next : ""));
}
