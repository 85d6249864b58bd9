/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* quota: a line for each limit. */
#include "quota.h"

#include "table.h"
#include "term.h"

void
quota_clear(QuotaReply *quota)
{
    g_clear_pointer(&quota->own, g_variant_unref);
    g_clear_pointer(&quota->all, g_variant_unref);
}

gboolean
quota_read(Cli *cli, QuotaReply *ret_quota, GError **error)
{
    g_autoptr(GAsyncResult) reply = NULL;

    cloche_manager_call_get_quota(cli->manager, CLIENT_CALL, cli->interrupted, cli_on_reply,
                                  &reply);
    cli_await(&reply);
    return cloche_manager_call_get_quota_finish(cli->manager, &ret_quota->own, &ret_quota->all,
                                                reply, error);
}

static void
add_amounts(Table *table, GVariant *amounts, const char *name)
{
    guint64 used = 0, limit = 0;

    g_variant_lookup(amounts, name, "(tt)", &used, &limit);
    table_add_printf(table, "%" G_GUINT64_FORMAT, used);
    if (limit == G_MAXUINT64)
        table_add(table, "no limit");
    else
        table_add_printf(table, "%" G_GUINT64_FORMAT, limit);
}

void
quota_print(const QuotaReply *quota)
{
    static const char *const own_heads[] = {"LIMIT", "USED", "OF", NULL};
    static const char *const all_heads[] = {"LIMIT", "USED", "OF", "BY ALL", "OF", NULL};
    gboolean has_all = g_variant_n_children(quota->all) > 0;
    g_autoptr(Table) table = table_new(has_all ? all_heads : own_heads);
    g_autofree char *lines = NULL;
    GVariantIter iter;
    char *name;

    g_variant_iter_init(&iter, quota->own);
    while (g_variant_iter_loop(&iter, "{s(tt)}", &name, NULL, NULL)) {
        table_add(table, name);
        add_amounts(table, quota->own, name);
        if (has_all)
            add_amounts(table, quota->all, name);
    }
    lines = table_render(table, term_style(stdout, STYLE_BOLD), term_style(stdout, STYLE_OFF));
    printf("\nQuota\n%s", lines);
}
