/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host: what all machines share: libvirt, the store, memory, and the users that they run as. */
#pragma once

#include "pace.h"
#include "store.h"
#include "vm.h"

/* At least so many uids, so that one comes again only long after its machine. */
#define HOST_UIDS_MIN 16u

typedef struct {
    Vm *vm;
    const Store *store;
    const Pace *pace;       /* NULL until an accelerator is chosen, before any machine starts */
    guint64 memory_mib;     /* of all machines that there are, starting and ending ones too */
    guint64 ending_mib;     /* of those that are ending */
    guint waiting;          /* callers, in all pools */
    guint count;            /* of instances, and of other work that uses images and templates */
    gboolean machines_stay; /* behind the stop, with their templates' RAM mapped */
    void (*on_change)(gpointer data); /* count became less, or a machine is ready */
    gpointer on_change_data;

    guint32 uid_first, uid_count; /* 0: machines run as libvirt has it */
    guint32 uid_next;             /* counted from uid_first */
    GHashTable *uids;             /* in use */
} Host;

void host_init(Host *host, Vm *vm, const Store *store, guint32 uid_first, guint32 uid_count);
void host_clear(Host *host);

/* Counts work that must be over before images and templates may be freed. */
void host_hold(Host *host);
void host_release(Host *host);
void host_changed(Host *host);

/* A user that no other machine has, and none had for long. CLOCHE_ERROR_QUOTA_EXCEEDED when all are
 * in use. */
gboolean host_take_user(Host *host, MachineUser *ret_user, GError **error);
/* The user of a machine that was there before. */
MachineUser host_keep_user(Host *host, guint32 uid);
void host_return_user(Host *host, const MachineUser *user);
/* Whether it is a machine's user, now or at any time; one of an earlier life counts, too. */
gboolean host_is_machine(const Host *host, guint32 uid);
