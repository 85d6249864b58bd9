/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status: what the service is doing, for its watcher. */
#include "core-private.h"
#include "core.h"

void
core_watch(Core *core, void (*changed)(gpointer data), gpointer data)
{
    core->changed = changed;
    core->changed_data = data;
}

static void
add_template(GString *text, const Template *template)
{
    g_string_append_printf(text, "; template %s: ", template->name);
    switch (template->state) {
    case TEMPLATE_CHECKING:
        g_string_append(text, "being checked");
        break;
    case TEMPLATE_PREPARING:
        g_string_append_printf(text, "%s (%.0f %%)", template->step, template->progress * 100);
        break;
    default:
        g_string_append(text, template_state_name(template->state));
        break;
    }
}

static void
add_acceleration(GString *text, const Acceleration *acceleration)
{
    const VmFacts *facts = acceleration_facts(acceleration);

    if (facts && facts->emulated)
        g_string_append(text, ", emulated");
    else if (!facts && acceleration_error(acceleration))
        g_string_append(text, ", KVM does not work");
}

char *
core_summary(Core *core)
{
    guint sandboxes = g_hash_table_size(core->sandboxes);
    g_autoptr(GList) templates = templates_list(core->templates);
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%u sandbox%s", sandboxes, sandboxes == 1 ? "" : "es");
    add_acceleration(text, core->acceleration);
    for (GList *l = templates; l; l = l->next)
        add_template(text, l->data);
    return g_string_free(text, FALSE);
}

gboolean
core_is_checked(Core *core)
{
    g_autoptr(GList) templates = templates_list(core->templates);

    for (GList *l = templates; l; l = l->next)
        if (((const Template *)l->data)->state == TEMPLATE_CHECKING)
            return FALSE;
    return TRUE;
}
