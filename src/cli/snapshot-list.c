/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot-list: the snapshots of the service, for several verbs. */
#include "snapshot-list.h"

GVariant *
snapshot_list(Cli *cli, gboolean all_users, GError **error)
{
    g_auto(GVariantDict) filter = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GAsyncResult) reply = NULL;
    GVariant *snapshots;

    if (all_users)
        g_variant_dict_insert(&filter, "all-users", "b", TRUE);
    cloche_manager_call_list_snapshots(cli->manager, g_variant_dict_end(&filter), CLIENT_CALL,
                                       cli->interrupted, cli_on_reply, &reply);
    cli_await(&reply);
    return cloche_manager_call_list_snapshots_finish(cli->manager, &snapshots, reply, error)
               ? snapshots
               : NULL;
}

/* Adds the ids that the word names: a whole id or a name, or else prefixes. */
static GPtrArray *
find(GVariant *snapshots, const char *word, gboolean is_prefix)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    GVariantIter iter;
    g_autoptr(GVariant) entry = NULL;

    g_variant_iter_init(&iter, snapshots);
    while (g_variant_iter_loop(&iter, "@a{sv}", &entry)) {
        const char *id = "", *name = "";

        g_variant_lookup(entry, "id", "&s", &id);
        g_variant_lookup(entry, "name", "&s", &name);
        if (is_prefix ? g_str_has_prefix(id, word)
                      : g_str_equal(id, word) || g_str_equal(name, word))
            g_ptr_array_add(found, g_strdup(id));
    }
    return found;
}

char *
snapshot_resolve(Cli *cli, const char *word, GError **error)
{
    g_autoptr(GVariant) snapshots = NULL;
    g_autoptr(GPtrArray) found = NULL;

    if (client_is_sandbox_id(word)) /* snapshots have ids of the same form */
        return g_strdup(word);
    snapshots = snapshot_list(cli, /* all_users= */ FALSE, error);
    if (snapshots == NULL)
        return NULL;
    found = find(snapshots, word, /* is_prefix= */ FALSE);
    if (found->len == 0 && *word != '\0') {
        g_ptr_array_unref(found);
        found = find(snapshots, word, /* is_prefix= */ TRUE);
    }
    if (found->len == 1)
        return g_ptr_array_steal_index(found, 0);
    if (found->len == 0)
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_NO_SUCH_SNAPSHOT, "there is no snapshot '%s'",
                    word);
    else
        g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_INVALID_ARGUMENT,
                    "'%s' names %u snapshots; give an id", word, found->len);
    return NULL;
}
