/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-list: the machines that libvirt has, and their users. */
#include "vm-list.h"

#include <stdlib.h>

#include "vm-error.h"
#include "vm-facts-parse.h"
#include "vm-private.h"

uid_t
vm_list_parse_uid(const char *xml)
{
    g_autofree char *label =
        facts_between(xml, "<seclabel type='static' model='dac'", "</seclabel>");
    g_autofree char *uid = label ? facts_between(label, "<label>+", ":") : NULL;

    return uid ? (uid_t)g_ascii_strtoull(uid, /* endptr= */ NULL, 10) : 0;
}

typedef struct {
    LibvirtVm *vm;
    char *prefix;
} MachineList;

static void
list_free(gpointer data)
{
    MachineList *list = data;

    g_free(list->prefix);
    g_free(list);
}

static void
listed_free(gpointer data)
{
    VmListed *listed = data;

    g_free(listed->name);
    g_free(listed);
}

static void
add(GPtrArray *all, virDomainPtr domain)
{
    char *xml = virDomainGetXMLDesc(domain, /* flags= */ 0);
    VmListed *listed;

    if (!xml) /* it has ended */
        return;
    listed = g_new0(VmListed, 1);
    listed->name = g_strdup(virDomainGetName(domain));
    listed->uid = vm_list_parse_uid(xml);
    g_ptr_array_add(all, listed);
    free(xml);
}

static GPtrArray *
list_machines(const MachineList *list, GError **error)
{
    g_autoptr(virConnect) libvirt = connection_get(list->vm->connection, error);
    GPtrArray *all;
    virDomainPtr *domains = NULL;
    int found;

    if (!libvirt)
        return NULL;
    found = virConnectListAllDomains(libvirt, &domains, /* flags= */ 0);
    if (found < 0) {
        vm_error_set(error, "cannot list the machines");
        return NULL;
    }
    all = g_ptr_array_new_with_free_func(listed_free);
    for (int i = 0; i < found; i++) {
        if (g_str_has_prefix(virDomainGetName(domains[i]), list->prefix))
            add(all, domains[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    return all;
}

static void
run_list(GTask *task)
{
    GError *error = NULL;
    GPtrArray *all = list_machines(g_task_get_task_data(task), &error);

    if (all)
        g_task_return_pointer(task, all, (GDestroyNotify)g_ptr_array_unref);
    else
        g_task_return_error(task, error);
}

void
libvirt_list_async(Vm *vm, const char *prefix, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(/* source= */ NULL, /* cancellable= */ NULL, callback, data);
    MachineList *list = g_new0(MachineList, 1);

    list->vm = (LibvirtVm *)vm;
    list->prefix = g_strdup(prefix);
    g_task_set_task_data(task, list, list_free);
    workers_run(list->vm->workers, task, run_list);
}

GPtrArray *
libvirt_list_finish(Vm *vm, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
