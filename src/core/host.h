/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host: what all machines share: libvirt, the store, memory, and the uids that they run as. */
#pragma once

#include "pace.h"
#include "store.h"
#include "vm.h"

/* The minimum number of uids, so that a uid is used again only long after its machine has ended. */
#define HOST_UIDS_MIN 16u

typedef struct {
    Vm *vm;
    const Store *store;
    Pace pace;                        /* that of emulated machines until an accelerator is chosen */
    guint64 memory_mib;               /* of all machines, including those that start or end */
    guint64 ending_mib;               /* of machines that are ending */
    guint waiting;                    /* callers, in all pools whose template is ready */
    guint count;                      /* of instances and of other work that uses the store */
    gboolean machines_stay;           /* some go on without this process, and map their RAM file */
    void (*on_change)(gpointer data); /* `count` became less, or a machine is ready */
    gpointer on_change_data;

    guint32 uid_first, uid_count; /* 0: libvirt chooses the user */
    guint32 uid_next;             /* counted from uid_first */
    GHashTable *uids;             /* in use */
} Host;

void host_init(Host *host, Vm *vm, const Store *store, guint32 uid_first, guint32 uid_count);
void host_clear(Host *host);

/* Counts work that must be over before the core may be freed. */
void host_hold(Host *host);
void host_release(Host *host);
void host_changed(Host *host);

/* A uid that no machine uses, or has used recently. CLOCHE_ERROR_QUOTA_EXCEEDED when all are in
 * use.
 */
gboolean host_take_user(Host *host, MachineUser *ret_user, GError **error);
/* Reserves the uid of a machine that is adopted. */
MachineUser host_keep_user(Host *host, guint32 uid);
void host_return_user(Host *host, const MachineUser *user);
/* Whether it is the uid of a machine, or may become one. The uids of adopted machines count, too.
 */
gboolean host_is_machine(const Host *host, guint32 uid);
