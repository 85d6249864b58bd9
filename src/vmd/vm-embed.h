/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-embed: sets up what libvirt's embedded QEMU driver needs. */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#include "vm.h"

typedef struct {
    char *root;        /* directory of the driver's files; NULL: the driver is not embedded */
    gboolean own_user; /* QEMU runs as uid and gid; FALSE: as this process */
    uid_t uid;
    gid_t gid;
    char *no_kvm; /* why machines cannot use KVM until cloched is restarted; NULL: they may */
} Embed;

/* Prepares the driver if `uri` names an embedded one; otherwise leaves *embed empty. */
gboolean embed_prepare(const char *uri, Embed *embed, GError **error);
void embed_clear(Embed *embed);
