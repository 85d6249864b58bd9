/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-methods: the methods about snapshots, of org.cloche1.Sandbox and org.cloche1.Manager. */
#include <string.h>

#include "error.h"
#include "handlers.h"
#include "reply.h"

#define DESCRIPTION_MAX 1024 /* bytes */

/* --- Snapshot --- */

const Option sandbox_snapshot_options[] = {
    {"name", "s"},
    {"description", "s"},
    {NULL, NULL},
};

static gboolean
unpack_description(GVariant *options, const char **ret_description, GError **error)
{
    g_variant_lookup(options, "description", "&s", ret_description);
    if (strlen(*ret_description) <= DESCRIPTION_MAX)
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                "description: at most %d bytes, not %zu", DESCRIPTION_MAX,
                strlen(*ret_description));
    return FALSE;
}

static void
on_snapshot_taken(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(Template) snapshot = core_snapshot_finish(result, &error);

    if (snapshot)
        call_answer(call, g_variant_new("(s)", snapshot->snapshot->id));
    else
        call_fail(call, error);
}

void
sandbox_snapshot(Call *call, GVariant *parameters)
{
    SnapshotRequest request = {.description = ""};
    GError *error = NULL;
    g_autofree char *name = options_name(call->options, "name", &error);

    if (!name || !unpack_description(call->options, &request.description, &error)) {
        call_fail(call, error);
        return;
    }
    request.name = name;
    core_snapshot_async(call->core, call->sandbox, &request, on_snapshot_taken, call);
}

/* --- Fork --- */

const Option sandbox_fork_options[] = {
    {"names", "as"},          {"timeout", "t"}, {"metadata", "a{ss}"},
    {"environment", "a{ss}"}, {NULL, NULL},
};

static gboolean
check_names(const char *const *names, guint count, GError **error)
{
    guint given = g_strv_length((char **)names);

    if (given != count) {
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "names: there must be %u, one for each child, not %u", count, given);
        return FALSE;
    }
    for (; *names; names++)
        if (!name_check("names", *names, error))
            return FALSE;
    return TRUE;
}

static GVariant *
reply_fork(const ForkResult *result)
{
    GVariantBuilder children, errors;

    g_variant_builder_init(&children, G_VARIANT_TYPE("ao"));
    g_variant_builder_init(&errors, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < result->ids->len; i++) {
        g_autofree char *path = reply_path(result->ids->pdata[i]);

        g_variant_builder_add(&children, "o", path);
    }
    for (guint i = 0; i < result->errors->len; i++)
        g_variant_builder_add(&errors, "s", ((const GError *)result->errors->pdata[i])->message);
    return g_variant_new("(aoas)", &children, &errors);
}

static void
on_forked(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;
    g_autoptr(ForkResult) children = core_fork_finish(result, &error);

    if (children)
        call_answer(call, reply_fork(children));
    else
        call_fail(call, error);
}

void
sandbox_fork(Call *call, GVariant *parameters)
{
    ForkRequest request = {.timeout_s = SANDBOX_TIMEOUT_DEFAULT_S};
    g_autofree const char **names = NULL;
    g_auto(GStrv) metadata = NULL, environment = NULL;
    GError *error = NULL;

    g_variant_get_child(parameters, 0, "u", &request.count);
    g_variant_lookup(call->options, "timeout", "t", &request.timeout_s);
    g_variant_lookup(call->options, "names", "^a&s", &names);
    if ((names && !check_names(names, request.count, &error)) ||
        !(metadata = options_metadata(call->options, "metadata", &error)) ||
        !(environment = options_environment(call->options, "environment", &error))) {
        call_fail(call, error);
        return;
    }
    request.names = names;
    request.metadata = metadata;
    request.environment = environment;
    core_fork_async(call->core, call->sandbox, &request, call->peer->left, on_forked, call);
}

/* --- ListSnapshots --- */

const Option manager_list_snapshots_options[] = {
    {"all-users", "b"},
    {NULL, NULL},
};

void
manager_list_snapshots(Call *call, GVariant *parameters)
{
    g_autoptr(GPtrArray) all = core_list_snapshots(call->core);
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < all->len; i++) {
        const Template *snapshot = all->pdata[i];
        guint32 owner = snapshot->snapshot->owner;

        if (call->lists_all_users ? core_may_see(&call->viewer, owner) : call->viewer.uid == owner)
            g_variant_builder_add_value(&list, reply_snapshot(call->core, snapshot));
    }
    call_answer(call, g_variant_new("(aa{sv})", &list));
}

/* --- RemoveSnapshot --- */

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    GError *error = NULL;

    if (core_remove_snapshot_finish(result, &error))
        call_answer(call, NULL);
    else
        call_fail(call, error);
}

void
manager_remove_snapshot(Call *call, GVariant *parameters)
{
    const char *id;
    GError *error = NULL;
    Template *snapshot;

    g_variant_get(parameters, "(&s)", &id);
    snapshot = core_find_snapshot(call->core, &call->viewer, id, &error);
    if (snapshot)
        core_remove_snapshot_async(call->core, snapshot, on_removed, call);
    else
        call_fail(call, error);
}
