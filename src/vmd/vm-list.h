/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-list: the machines that libvirt has, and their users. */
#pragma once

#include "vm-ops.h"

/* As vm-ops.h says. */
void libvirt_list_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data);
GPtrArray *libvirt_list_finish(Vm *vm, GAsyncResult *result, GError **error);

/* The uid in libvirt's description of a machine; 0: it names none. Pure. */
uid_t vm_list_parse_uid(const char *xml);
