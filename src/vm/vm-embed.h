/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-embed: what libvirt's embedded QEMU driver needs around it. */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#include "vm.h"

typedef struct {
    char *root;        /* all of the driver's files; NULL: the driver is not embedded */
    gboolean own_user; /* QEMU runs as uid and gid, not as we do */
    uid_t uid;
    gid_t gid;
    char *no_kvm; /* why its machines cannot use KVM, until the next start; NULL: they may */
} Embed;

/* Prepares for `uri` when it names an embedded driver; otherwise leaves *embed empty. */
gboolean embed_prepare(const char *uri, Embed *embed, GError **error);
void embed_clear(Embed *embed);
