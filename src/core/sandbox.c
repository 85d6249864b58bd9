/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox: its states and its properties. */
#include "sandbox.h"

#include "error.h"
#include "network-private.h"
#include "util.h"

enum { STAYS = -1 };

/* clang-format off */
static const gint8 next_state[_SANDBOX_STATE_MAX][_SANDBOX_EVENT_MAX] = {
    /*                    FOUND             FOUND_PAUSED    CLAIMED          PAUSE           RESUME           STOP           DEADLINE       LOST          */
    [SANDBOX_CLAIMING] = {SANDBOX_ADOPTING, SANDBOX_PAUSED, SANDBOX_RUNNING, STAYS,          STAYS,           SANDBOX_ENDED, SANDBOX_ENDED, SANDBOX_ENDED},
    [SANDBOX_ADOPTING] = {STAYS,            STAYS,          SANDBOX_RUNNING, SANDBOX_PAUSED, STAYS,           SANDBOX_ENDED, SANDBOX_ENDED, SANDBOX_ENDED},
    [SANDBOX_RUNNING]  = {STAYS,            STAYS,          STAYS,           SANDBOX_PAUSED, STAYS,           SANDBOX_ENDED, SANDBOX_ENDED, SANDBOX_ENDED},
    [SANDBOX_PAUSED]   = {STAYS,            STAYS,          STAYS,           STAYS,          SANDBOX_RUNNING, SANDBOX_ENDED, SANDBOX_ENDED, SANDBOX_ENDED},
    [SANDBOX_ENDED]    = {STAYS,            STAYS,          STAYS,           STAYS,          STAYS,           STAYS,         STAYS,         STAYS},
};
/* clang-format on */

/* For its users a sandbox that is being adopted runs: their calls wait. */
static const char *const state_names[] = {"claiming", "running", "running", "paused", "ended"};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == _SANDBOX_STATE_MAX);

const char *
sandbox_state_name(SandboxState state)
{
    return state_names[state];
}

gboolean
sandbox_change(Sandbox *sandbox, SandboxEvent event)
{
    int next = next_state[sandbox->state][event];

    if (next == STAYS)
        return FALSE;
    sandbox->state = (SandboxState)next;
    return TRUE;
}

Sandbox *
sandbox_new(void)
{
    Sandbox *sandbox = g_new0(Sandbox, 1);

    sandbox->processes = g_hash_table_new(NULL, NULL);
    g_queue_init(&sandbox->operations);
    g_queue_init(&sandbox->changes);
    return sandbox;
}

void
sandbox_free(Sandbox *sandbox)
{
    if (!sandbox)
        return;
    g_assert(!sandbox->instance && !sandbox->deadline && !sandbox->clock &&
             !sandbox->operations.head && !sandbox->changes.head &&
             g_hash_table_size(sandbox->processes) == 0);
    g_hash_table_unref(sandbox->processes);
    network_unref(sandbox->network);
    g_free(sandbox->id);
    g_free(sandbox->name);
    g_free(sandbox->template);
    g_free(sandbox->snapshot);
    g_strfreev(sandbox->metadata);
    g_strfreev(sandbox->languages);
    g_free(sandbox->idempotency_key);
    g_free(sandbox->request_digest);
    g_free(sandbox->user);
    g_free(sandbox);
}

QuotaAmounts
sandbox_amounts(const Sandbox *sandbox)
{
    QuotaAmounts amounts = sandbox->network ? sandbox->network->charged : (QuotaAmounts){0};

    amounts.amount[QUOTA_SANDBOXES] = 1;
    amounts.amount[QUOTA_MEMORY_MIB] = sandbox->memory_mib;
    amounts.amount[QUOTA_VCPUS] = sandbox->vcpus;
    amounts.amount[QUOTA_DISK_MIB] = sandbox->disk_mib;
    return amounts;
}

gint64
sandbox_expires_us(const Sandbox *sandbox)
{
    return g_get_real_time() + sandbox->life.deadline_us - util_boottime_us();
}

const char *
sandbox_metadata(const Sandbox *sandbox, const char *key)
{
    for (char **entry = sandbox->metadata; *entry; entry += 2)
        if (g_str_equal(entry[0], key))
            return entry[1];
    return NULL;
}

gboolean
sandbox_check_language(const char *template, char **languages, const char *language, GError **error)
{
    g_autofree char *known = g_strjoinv(", ", languages);

    if (language && context_has_language(languages, language))
        return TRUE;
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_UNSUPPORTED,
                "template '%s' has no interpreter for '%s'; it has: %s", template,
                language ? language : "any language", known[0] ? known : "none");
    return FALSE;
}
