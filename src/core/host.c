/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host: what all machines share. Uids are given in turn, beginning with a random one, so that none
 * is used again soon, not even after a restart. */
#include "host.h"

#include "error.h"

void
host_init(Host *host, Vm *vm, const Store *store, guint32 uid_first, guint32 uid_count)
{
    *host = (Host){
        .vm = vm,
        .store = store,
        .pace = *pace_of(/* emulated= */ TRUE),
        .uid_first = uid_first,
        .uid_count = uid_count,
        .uid_next = uid_count ? g_random_int() % uid_count : 0,
        .uids = g_hash_table_new(NULL, NULL),
    };
}

void
host_clear(Host *host)
{
    g_clear_pointer(&host->uids, g_hash_table_unref);
}

void
host_hold(Host *host)
{
    host->count++;
}

void
host_release(Host *host)
{
    host->count--;
    host_changed(host);
}

void
host_changed(Host *host)
{
    host->on_change(host->on_change_data);
}

/* --- users --- */

gboolean
host_take_user(Host *host, MachineUser *ret_user, GError **error)
{
    for (guint32 i = 0; i < host->uid_count; i++) {
        guint32 uid = host->uid_first + host->uid_next;

        host->uid_next = (host->uid_next + 1) % host->uid_count;
        if (g_hash_table_contains(host->uids, GUINT_TO_POINTER(uid)))
            continue;
        *ret_user = host_keep_user(host, uid);
        return TRUE;
    }
    if (host->uid_count == 0) {
        *ret_user = (MachineUser){0};
        return TRUE;
    }
    g_set_error(error, CLOCHE_ERROR, CLOCHE_ERROR_QUOTA_EXCEEDED,
                "All %u uids for machines are in use: an administrator can give more by Uids in "
                "[Machines] of cloched.conf",
                host->uid_count);
    return FALSE;
}

MachineUser
host_keep_user(Host *host, guint32 uid)
{
    MachineUser user = {0};

    if (uid == 0)
        return user;
    g_hash_table_add(host->uids, GUINT_TO_POINTER(uid));
    user.uid = uid;
    user.gid = host->store->gid;
    return user;
}

void
host_return_user(Host *host, const MachineUser *user)
{
    g_hash_table_remove(host->uids, GUINT_TO_POINTER(user->uid));
}

gboolean
host_is_machine(const Host *host, guint32 uid)
{
    return (uid >= host->uid_first && uid - host->uid_first < host->uid_count) ||
           g_hash_table_contains(host->uids, GUINT_TO_POINTER(uid));
}
